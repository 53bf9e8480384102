// Plan and materialisation.
#include "unit/assemble.hpp"

#include <string>

namespace strata::unit {
std::vector<strata_unit_plan> plan_units(Model& model,
                                         const border::Object<strata_strategy_api>& strategy) {
  std::vector<strata_unit_plan> plan(model.units().size());
  for (size_t i = 0; i < plan.size(); ++i) {
    plan[i] = {static_cast<int32_t>(i), 0};
  }
  strategy.call(&strata_strategy_api::plan_units, &model.desc(), plan.data());
  return plan;
}

void materialize(Model& model,
                 const border::Object<strata_strategy_api>& strategy,
                 const std::vector<strata_unit_plan>& plan) {
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].owner == static_cast<int32_t>(i)) {
      strategy.call(&strata_strategy_api::materialize, static_cast<int32_t>(i));
    }
  }
  strategy.call(&strata_strategy_api::materialize_done);
  for (const Param& p : model.params()) {
    if (p.value == nullptr) {
      throw Error(STRATA_E_ARGUMENT,
                  text(strategy.type(),
                       " left parameter \"",
                       p.name,
                       "\" without storage: materialize() must "
                       "bind every parameter of the unit and of those joined into it"));
    }
  }
}

}  // namespace strata::unit
