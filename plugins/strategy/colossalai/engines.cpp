// Which engine the settings get.
#include "engine.hpp"
#include "low_level_zero.hpp"

namespace strata::colossalai {

std::unique_ptr<Strategy> make_engine(const Settings& settings) {
  if (const auto* zero = std::get_if<LowLevelZeroConfig>(&settings.plugin)) {
    return std::make_unique<LowLevelZero>(*zero);
  }
  throw config_error(settings.where,
                     "Gemini is not in this build; write plugin = \"lowlevel-zero\", or a table of "
                     "type \"LowLevelZeroPlugin\"");
}

}  // namespace strata::colossalai
