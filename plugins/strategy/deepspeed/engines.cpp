// Which engine a configuration gets.
#include "bucketed.hpp"
#include "engine.hpp"
#include "stage3.hpp"

namespace strata::deepspeed {

std::unique_ptr<Strategy> make_engine(const DeepSpeedConfig& config) {
  if (config.zero.stage == 3) {
    return std::make_unique<Stage3>(config);
  }
  return std::make_unique<Bucketed>(config);
}

}  // namespace strata::deepspeed
