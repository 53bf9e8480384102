// Rows of `strata estimate`.
#include "variants.hpp"

#include <string>

namespace strata::colossalai {

std::vector<EstimateVariant> variants(const Settings& settings) {
  const int32_t dtype = settings.common().precision;
  const std::string precision = dtype == STRATA_F16    ? "fp16"
                                : dtype == STRATA_BF16 ? "bf16"
                                                       : "fp32";
  // The arguments of one plugin are none of the other's.
  const std::string instead = settings.written ? "_delete_ = true, " : "";
  const auto row = [&](const std::string& label, const std::string& keys) {
    return EstimateVariant{
        label + ", " + precision,
        "plugin = { " + instead + keys + ", precision = \"" + precision + "\" }"};
  };
  return {row("LowLevelZero 1", "type = \"LowLevelZeroPlugin\", stage = 1"),
          row("LowLevelZero 2", "type = \"LowLevelZeroPlugin\", stage = 2"),
          row("Gemini static", "type = \"GeminiPlugin\""),
          row("Gemini auto", R"(type = "GeminiPlugin", placement_policy = "auto")")};
}

}  // namespace strata::colossalai
