// ColossalAIOptimWrapper: its loss scale against ColossalAI's own, clipping, and what it says.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.hpp"
#include "wrapped.hpp"

namespace strata::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Wrapped : ScaledWrapped {
  explicit Wrapped(const std::string& keys = {})
      : ScaledWrapped("optim_wrapper_colossalai", "ColossalAIOptimWrapper", keys, 0, STRATA_CPU) {}
};

std::string refusal(const std::string& keys) {
  return error_of([&] { const Wrapped wrapped(keys); });
}

// --- the sequences

class ColossalAILossScaleGolden : public testing::TestWithParam<GoldenCase> {
 protected:
  /// `case NAME JSON`: the keys have the same names.
  static std::string keys() {
    return "[loss_scale]\n" + toml_of(nlohmann::json::parse(GetParam().rest));
  }
};

TEST_P(ColossalAILossScaleGolden, IsThatOfColossalAIAfterEveryUpdate) {
  Wrapped wrapped(keys());
  std::string updates;
  for (const std::string& overflow : GetParam().lines.at("overflow")) {
    updates += overflow == "1" ? 'O' : 'o';
  }
  std::vector<std::string> found;

  for (const double scale : wrapped.scales(updates)) {
    found.push_back(nlohmann::json(scale).dump());
  }

  std::vector<std::string> expected;
  for (const std::string& scale : GetParam().lines.at("scale")) {
    expected.push_back(nlohmann::json(std::stod(scale)).dump());
  }
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         ColossalAILossScaleGolden,
                         testing::ValuesIn(golden_cases("colossalai_loss_scale/sequences.txt")),
                         [](const auto& test) { return test.param.name; });

// The original loses its counts at every restart.
TEST(ColossalAILossScale, GoesOnWhereItWas) {
  const std::string keys = "loss_scale = { growth_interval = 4, hysteresis = 3 }";
  const std::string updates = "oOOoOoooooOOOooooooO";
  Wrapped whole(keys);
  const std::vector<double> scales = whole.scales(updates);

  for (size_t cut = 1; cut < scales.size(); ++cut) {
    Wrapped first(keys);
    first.scales(updates.substr(0, cut));
    Wrapped second(keys);
    second.load(first.save());
    EXPECT_EQ(second.scales(updates.substr(cut)),
              std::vector<double>(scales.begin() + static_cast<std::ptrdiff_t>(cut), scales.end()))
        << cut;
  }
}

TEST(ColossalAILossScale, StateOfAnotherWrappersScalerGivesTheScaleWithinThisRunsLimits) {
  const Wrapped wrapped("loss_scale = { max_scale = 65536 }");

  wrapped.load(R"({"loss_scaler": {"scale": 8.0, "growth_tracker": 3}})");
  EXPECT_EQ(wrapped.loss_factor(), 8);
  wrapped.load(R"({"loss_scaler": {"scale": 1048576.0}})");
  EXPECT_EQ(wrapped.loss_factor(), 65536);
}

TEST(ColossalAILossScale, WithoutOneThereIsNothingToSave) {
  EXPECT_THAT(Wrapped().save(), IsEmpty());
}

// --- the update

// The original unscales by the scale that has grown already: every so many updates by half.
TEST(ColossalAIUpdate, IsUnscaledByTheScaleOfItsBackwardAlsoWhenItGrows) {
  Wrapped wrapped("loss_scale = { initial_scale = 4, growth_interval = 1 }");

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("unscale 0.25", "step"));
  EXPECT_EQ(result.loss_scale, 4);
  EXPECT_EQ(wrapped.loss_factor(), 8);
}

TEST(ColossalAIUpdate, UnscalesAndClipsInOnePass) {
  Wrapped wrapped("max_norm = 0.5\nloss_scale = { initial_scale = 4 }");
  wrapped.run.norm = 8;  // 2 without the scale

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls,
              ElementsAre("norm 2", text("unscale ", 1 / (4 * ((2 + 1e-6) / 0.5))), "step"));
  EXPECT_EQ(result.grad_norm, 2);  // the original reports it times the scale
}

TEST(ColossalAIUpdate, LeavesSmallGradientsAlone) {
  Wrapped wrapped("max_norm = 5.0\nloss_scale = { initial_scale = 4 }");
  wrapped.run.norm = 8;

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2", "unscale 0.25", "step"));
}

TEST(ColossalAIUpdate, AnInfiniteNormIsAnOverflow) {
  Wrapped wrapped("max_norm = 1.0\nloss_scale = { initial_scale = 8, hysteresis = 1 }");
  wrapped.run.norm = kInf;

  const auto result = wrapped.step();

  EXPECT_EQ(result.skipped, 1);
  EXPECT_TRUE(std::isnan(result.grad_norm));  // the log's mean stays a number
  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2"));
  EXPECT_EQ(wrapped.loss_factor(), 4);
}

TEST(ColossalAIUpdate, NothingIsUpdatedOnOverflow) {
  Wrapped wrapped("loss_scale = {}");
  wrapped.run.found_inf = true;

  EXPECT_EQ(wrapped.step().skipped, 1);
  EXPECT_THAT(wrapped.run.calls, ElementsAre(text("unscale ", 1.0 / 65536)));
}

TEST(ColossalAIUpdate, WithoutScaleAndClippingNobodyLooksForOverflows) {
  Wrapped wrapped;
  wrapped.run.found_inf = true;

  EXPECT_EQ(wrapped.step().skipped, 0);
  EXPECT_THAT(wrapped.run.calls, ElementsAre("step"));
  EXPECT_EQ(wrapped.loss_factor(), 1);
}

TEST(ColossalAIUpdate, WithoutScaleIsClippedAndSkippedByTheNorm) {
  Wrapped wrapped("max_norm = 1.0");
  wrapped.run.norm = 4;
  wrapped.step();
  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2", text("scale ", 1 / (4 + 1e-6)), "step"));

  wrapped.run.norm = kInf;
  EXPECT_EQ(wrapped.step().skipped, 1);
  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2"));
}

TEST(ColossalAIUpdate, AveragesOverTheWindowAndScales) {
  const Wrapped wrapped("loss_scale = { initial_scale = 64 }\naccumulative_counts = 4");

  EXPECT_EQ(wrapped.loss_factor(4), 16);
  EXPECT_EQ(wrapped.window(9), std::pair(1, 4));
}

// --- configuration

TEST(ColossalAIWrapperConfig, RefusalsNameTheKeyAndItsPlace) {
  EXPECT_THAT(refusal("clip_grad = { max_norm = 1.0 }"),
              testing::AllOf(HasSubstr("test.toml:1"), HasSubstr("write max_norm")));
  EXPECT_THAT(refusal("loss_scale = { hysteresis = 0 }"), HasSubstr("loss_scale.hysteresis = 0"));
  EXPECT_THAT(refusal("loss_scale = { growth_interval = 0 }"), HasSubstr("growth_interval"));
  EXPECT_THAT(refusal("loss_scale = { growth_factor = 0.5 }"), HasSubstr("growth_factor"));
  EXPECT_THAT(refusal("loss_scale = { backoff_factor = 1.0 }"), HasSubstr("backoff_factor"));
  EXPECT_THAT(refusal("loss_scale = { min_scale = 0.0 }"), HasSubstr("min_scale"));
  EXPECT_THAT(refusal("loss_scale = { max_scale = 0.5 }"), HasSubstr("max_scale"));
  EXPECT_THAT(refusal("loss_scale = { max_scale = 1e39 }"), HasSubstr("max_scale"));
  EXPECT_THAT(refusal("loss_scale = { initial_scale = 1e10 }"), HasSubstr("initial_scale"));
  EXPECT_THAT(refusal("max_norm = -1.0"), HasSubstr("max_norm"));
}

}  // namespace
}  // namespace strata::test
