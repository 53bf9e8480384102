// What the settings tell the run's optim_wrapper, the log and `strata estimate`.
#include "contribute.hpp"

#include "loaded.hpp"
#include "shown.hpp"
#include "variants.hpp"

namespace strata::colossalai {
namespace {

/// "key = value", "(yields)" behind those that do.
std::vector<std::string> contributed(const std::string& keys) {
  std::vector<std::string> out;
  for (const Contribution& c : contributions(settings(keys))) {
    out.push_back(c.key + " = " + c.toml + (c.yields ? " (yields)" : ""));
  }
  return out;
}

TEST(ColossalAIContribution, NamesTheWrapperUnlessTheUserDoes) {
  EXPECT_THAT(contributed(""),
              ElementsAre("optim_wrapper.type = \"ColossalAIOptimWrapper\" (yields)",
                          "optim_wrapper.max_norm = 0.0",
                          "optim_wrapper.verbose = false"));
}

TEST(ColossalAIContribution, CarriesClippingAndTheScaleOfFp16) {
  EXPECT_THAT(
      contributed("plugin = { type = \"LowLevelZeroPlugin\", max_norm = 1.0, verbose = true, "
                  "initial_scale = 1024, hysteresis = 3 }"),
      ElementsAre(
          "optim_wrapper.type = \"ColossalAIOptimWrapper\" (yields)",
          "optim_wrapper.max_norm = 1.0",
          "optim_wrapper.verbose = true",
          "optim_wrapper.loss_scale = {initial_scale = 1024.0, min_scale = 1.0, max_scale = "
          "4294967296.0, growth_factor = 2.0, backoff_factor = 0.5, growth_interval = 1000, "
          "hysteresis = 3}"));
}

TEST(ColossalAIContribution, SaysWhereItComesFromAndWhoCanReadIt) {
  for (const Contribution& c : contributions(settings("plugin = \"gemini\""))) {
    EXPECT_THAT(c.where, HasSubstr("run.toml:1"));
    EXPECT_THAT(c.where, HasSubstr("ColossalAIOptimWrapper"));
  }
}

TEST(ColossalAIVariants, AreBothPluginsInThePrecisionOfTheSettings) {
  std::vector<std::string> labels;
  for (const EstimateVariant& v : variants(settings("plugin = \"gemini\""))) {
    labels.push_back(v.label);
    const Settings again = settings(v.toml);
    EXPECT_EQ(again.common().precision, STRATA_BF16) << v.label;
  }
  EXPECT_THAT(labels,
              ElementsAre("LowLevelZero 1, bf16",
                          "LowLevelZero 2, bf16",
                          "Gemini static, bf16",
                          "Gemini auto, bf16"));
}

TEST(ColossalAIVariants, ReplaceATableWhole) {
  for (const EstimateVariant& v : variants(settings("plugin = { type = \"GeminiPlugin\" }"))) {
    EXPECT_THAT(v.toml, HasSubstr("_delete_ = true"));
  }
}

TEST(ColossalAIShown, TellsPluginPrecisionAndWhatMovesMemory) {
  EXPECT_THAT(
      shown(settings("plugin = { type = \"LowLevelZeroPlugin\", stage = 2, max_norm = 1.0 }")),
      testing::AllOf(HasSubstr("stage 2, fp16, loss scale from"), HasSubstr("max_norm 1")));
  EXPECT_THAT(shown(settings("")), HasSubstr("Gemini, bf16, no clipping; auto placement"));
  EXPECT_THAT(shown(settings("plugin = { type = \"GeminiPlugin\", master_weights = false }")),
              HasSubstr("no masters"));
}

}  // namespace
}  // namespace strata::colossalai
