// From the plugin's arguments to the optim_wrapper's keys.
#include "contribute.hpp"

#include "strata/cpp/json.hpp"

namespace strata::colossalai {
namespace {

std::string scale_table(const Scaler& s) {
  return text("{initial_scale = ",
              json_float(s.initial_scale),
              ", min_scale = ",
              json_float(s.min_scale),
              ", max_scale = ",
              json_float(s.max_scale),
              ", growth_factor = ",
              json_float(s.growth_factor),
              ", backoff_factor = ",
              json_float(s.backoff_factor),
              ", growth_interval = ",
              s.growth_interval,
              ", hysteresis = ",
              s.hysteresis,
              "}");
}

}  // namespace

std::vector<Contribution> contributions(const Settings& settings) {
  const Common& c = settings.common();
  const std::string where =
      settings.where + " (needs optim_wrapper.type = \"ColossalAIOptimWrapper\")";
  std::vector<Contribution> out = {
      {"optim_wrapper.type", "\"ColossalAIOptimWrapper\"", where, /*yields=*/true},
      {"optim_wrapper.max_norm", json_float(c.max_norm), where},
      {"optim_wrapper.verbose", c.verbose ? "true" : "false", where}};
  if (c.precision == STRATA_F16) {
    out.push_back({"optim_wrapper.loss_scale", scale_table(c.scaler), where});
  }
  return out;
}

}  // namespace strata::colossalai
