// The stages of ZeRO, each a strategy of its own behind DeepSpeedStrategy.
#pragma once

#include <memory>

#include "strata/cpp/strategy.hpp"

#include "settings/config.hpp"

namespace strata::deepspeed {

/// The stage that a configuration asks for; config outlives it.
std::unique_ptr<Strategy> make_engine(const DeepSpeedConfig& config);

}  // namespace strata::deepspeed
