// The plugins of ColossalAI, each a strategy of its own behind ColossalAIStrategy.
#pragma once

#include <memory>

#include "strata/cpp/strategy.hpp"

#include "settings.hpp"

namespace strata::colossalai {

/// The plugin that the settings ask for; they outlive it.
std::unique_ptr<Strategy> make_engine(const Settings& settings);

}  // namespace strata::colossalai
