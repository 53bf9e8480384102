// Brings a model and a strategy together: plan and storage.
#pragma once

#include <vector>

#include "strata/abi/strategy.h"

#include "border/object.hpp"
#include "unit/model.hpp"

namespace strata::unit {

/// Asks the strategy for its plan. Nothing is allocated.
std::vector<strata_unit_plan> plan_units(Model& model,
                                         const border::Object<strata_strategy_api>& strategy);

/// Lets the strategy make storage for every unit that is not joined into another. Errors: a parameter that was left
/// unbound is named.
void materialize(Model& model,
                 const border::Object<strata_strategy_api>& strategy,
                 const std::vector<strata_unit_plan>& plan);

}  // namespace strata::unit
