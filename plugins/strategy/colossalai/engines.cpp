// Which engine the settings get.
#include "engine.hpp"
#include "gemini/gemini.hpp"
#include "low_level_zero.hpp"

namespace strata::colossalai {

std::unique_ptr<Strategy> make_engine(const Settings& settings) {
  if (const auto* zero = std::get_if<LowLevelZeroConfig>(&settings.plugin)) {
    return std::make_unique<LowLevelZero>(*zero);
  }
  return std::make_unique<Gemini>(std::get<GeminiConfig>(settings.plugin));
}

}  // namespace strata::colossalai
