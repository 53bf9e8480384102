// Which units are wrapped: gathered and let go by themselves.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/cpp/strategy.hpp"

#include "config.hpp"

namespace strata::fsdp {

/// For each unit the one it is joined into: itself when it is wrapped, else its nearest wrapped ancestor. The root always
/// is. Size-based wrapping decides as torch's size_based_auto_wrap_policy: children first, a module whose parameters not
/// yet wrapped are too few is left to its parent, and force-leaf and excluded types are never wrapped.
std::vector<int32_t> wrap_units(const ModelView& model, const WrapperConfig& config);

}  // namespace strata::fsdp
