// What `strata estimate` compares.
#pragma once

#include <vector>

#include "strata/cpp/strategy.hpp"

#include "settings.hpp"

namespace strata::colossalai {

/// Both plugins, in the precision of the settings and else as they are by default.
std::vector<EstimateVariant> variants(const Settings& settings);

}  // namespace strata::colossalai
