// Which engine a configuration gets.
#include "engine.hpp"
#include "replicated.hpp"

namespace strata::deepspeed {

std::unique_ptr<Engine> make_engine(const DeepSpeedConfig& config) {
  if (config.zero.stage != 0) {
    throw config_error("",
                       "zero_optimization.stage = ",
                       config.zero.stage,
                       " is not built into this plugin; stage 0 is");
  }
  if (config.model_dtype() != STRATA_F32) {
    throw config_error("",
                       config.fp16.enabled ? "fp16" : "bf16",
                       ".enabled = true is not built into this plugin; leave it out for fp32");
  }
  if (!config.inputs_to_half.empty()) {
    throw config_error("", "inputs_to_half without fp16 or bf16 has nothing to cast to");
  }
  return std::make_unique<Replicated>(config);
}

}  // namespace strata::deepspeed
