// Names of hook priorities.
#pragma once

#include <cstdint>
#include <string>

#include "config/value.hpp"

namespace strata::hooks {

constexpr int32_t kMaxPriority = 100;

/// "NORMAL" for 50, …; the number itself where it has no name.
std::string priority_name(int32_t priority);

/// A number 0 … 100, or a name in any letter case. Errors: STRATA_E_CONFIG at the value.
int32_t parse_priority(const config::Value& value);

}  // namespace strata::hooks
