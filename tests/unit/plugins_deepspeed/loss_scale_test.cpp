// DeepSpeedOptimWrapper: its loss scale against DeepSpeed's own, clipping, and what it says.
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
      : ScaledWrapped("optim_wrapper_deepspeed", "DeepSpeedOptimWrapper", keys, 0, STRATA_CPU) {}
};

std::string wrapper_refusal(const std::string& keys) {
  return error_of([&] { const Wrapped wrapped(keys); });
}

// --- the sequences

class LossScaleGolden : public testing::TestWithParam<GoldenCase> {
 protected:
  /// `case NAME JSON`, in the scaler's own words.
  static std::string keys() {
    const auto golden = nlohmann::json::parse(GetParam().rest);
    return text("fp16 = {initial_scale_power = ",
                std::log2(golden["init_scale"].get<double>()),
                ", loss_scale_window = ",
                golden["scale_window"].dump(),
                ", min_loss_scale = ",
                golden["min_scale"].dump(),
                ", hysteresis = ",
                golden["hysteresis"].dump(),
                ", consecutive_hysteresis = ",
                golden["consecutive_hysteresis"].dump(),
                ", min_loss_scale_warnings = 0}");
  }
};

TEST_P(LossScaleGolden, IsThatOfDeepSpeedAfterEveryUpdate) {
  Wrapped wrapped(keys());
  const auto& overflows = GetParam().lines.at("overflow");
  std::vector<std::string> found;

  for (size_t i = 0; i < overflows.size() && (found.empty() || found.back() != "ends"); ++i) {
    const std::string said = error_of(
        [&] { found.push_back(text(wrapped.scales(overflows[i] == "1" ? "O" : "o").front())); });
    if (!said.empty()) {
      found.emplace_back("ends");
    }
  }

  EXPECT_EQ(found, GetParam().lines.at("scale"));
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         LossScaleGolden,
                         testing::ValuesIn(golden_cases("loss_scale/sequences.txt")),
                         [](const auto& test) { return test.param.name; });

TEST(DeepSpeedLossScale, AFixedOneStaysButAnOverflowIsSkipped) {
  Wrapped wrapped("fp16 = { loss_scale = 128 }");

  EXPECT_THAT(wrapped.scales("oOOo"), ElementsAre(128, 128, 128, 128));
  EXPECT_EQ(wrapped.skipped, 2);
}

TEST(DeepSpeedLossScale, StopsGrowingWhereAFloatEnds) {
  Wrapped wrapped("fp16 = { initial_scale_power = 126, loss_scale_window = 1 }");

  const std::vector<double> scales = wrapped.scales("ooooo");

  EXPECT_EQ(scales.back(), std::exp2(127));
}

// --- at the minimum

TEST(DeepSpeedLossScale, AtTheMinimumIsWarnedOfAndThenEndsTheRun) {
  Wrapped wrapped(
      "fp16 = { initial_scale_power = 1, hysteresis = 1, min_loss_scale_warnings = 2 }");

  EXPECT_THAT(wrapped.scales("OOO"), ElementsAre(1, 1, 1));
  const std::string said = error_of([&] { wrapped.scales("O"); });

  EXPECT_THAT(said, HasSubstr("smallest loss scale of 1"));
  EXPECT_THAT(said, HasSubstr("lower the learning rate"));
}

TEST(DeepSpeedLossScale, AGoodUpdateStartsTheCountAnew) {
  Wrapped wrapped(
      "fp16 = { initial_scale_power = 0, hysteresis = 1, min_loss_scale_warnings = 1, "
      "loss_scale_window = 9 }");

  EXPECT_THAT(wrapped.scales("OoOoO"), ElementsAre(1, 1, 1, 1, 1));
  EXPECT_THAT(error_of([&] { wrapped.scales("O"); }), HasSubstr("keep overflowing"));
}

TEST(DeepSpeedLossScale, WithoutALimitNeverEndsTheRun) {
  Wrapped wrapped(
      "fp16 = { initial_scale_power = 0, hysteresis = 1, min_loss_scale_warnings = -1 }");

  wrapped.scales(std::string(50, 'O'));

  EXPECT_EQ(wrapped.skipped, 50);
}

TEST(DeepSpeedLossScale, DeepSpeedsOwnWayIsToEndAtTheFirst) {
  Wrapped wrapped(
      "fp16 = { initial_scale_power = 0, hysteresis = 1, min_loss_scale_warnings = 0 }");

  EXPECT_THAT(error_of([&] { wrapped.scales("O"); }), HasSubstr("smallest loss scale"));
}

TEST(DeepSpeedLossScale, HalvesDownToTheMinimumAndNotPastIt) {
  Wrapped wrapped("fp16 = { initial_scale_power = 4, hysteresis = 1, min_loss_scale = 6 }");

  EXPECT_THAT(wrapped.scales("OOO"), ElementsAre(8, 6, 6));
}

// --- the update

TEST(DeepSpeedUpdate, IsUnscaledByTheScaleOfItsBackwardAlsoWhenItGrows) {
  Wrapped wrapped("fp16 = { initial_scale_power = 2, loss_scale_window = 1 }");
  wrapped.step();

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("unscale 0.25", "step"));
  EXPECT_EQ(result.loss_scale, 4);
  EXPECT_EQ(wrapped.loss_factor(), 8);
}

TEST(DeepSpeedUpdate, UnscalesAndClipsInOnePass) {
  Wrapped wrapped("clip_grad = { max_norm = 0.5 }\nfp16 = { loss_scale = 4 }");
  wrapped.run.norm = 8;  // 2 without the scale

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls,
              ElementsAre("norm 2", text("unscale ", 1 / (4 * ((2 + 1e-6) / 0.5))), "step"));
  EXPECT_EQ(result.grad_norm, 2);
}

TEST(DeepSpeedUpdate, LeavesSmallGradientsAlone) {
  Wrapped wrapped("clip_grad = { max_norm = 5 }\nfp16 = { loss_scale = 4 }");
  wrapped.run.norm = 8;

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2", "unscale 0.25", "step"));
}

TEST(DeepSpeedUpdate, AnInfiniteNormIsAnOverflow) {
  Wrapped wrapped(
      "clip_grad = { max_norm = 1 }\nfp16 = { initial_scale_power = 3, hysteresis = 1 }");
  wrapped.run.norm = kInf;

  const auto result = wrapped.step();

  EXPECT_EQ(result.skipped, 1);
  EXPECT_TRUE(std::isnan(result.grad_norm));  // the log's mean stays a number
  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2"));
  EXPECT_EQ(wrapped.loss_factor(), 4);
}

TEST(DeepSpeedUpdate, NothingIsUpdatedOnOverflow) {
  Wrapped wrapped("fp16 = { initial_scale_power = 3 }");
  wrapped.run.found_inf = true;

  EXPECT_EQ(wrapped.step().skipped, 1);
  EXPECT_THAT(wrapped.run.calls, ElementsAre("unscale 0.125"));
}

TEST(DeepSpeedUpdate, ByValueIsClampedAfterUnscaling) {
  Wrapped wrapped("clip_grad = { type = \"value\", clip_value = 0.5 }\nfp16 = { loss_scale = 4 }");

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("unscale 0.25", "clamp 0.5", "step"));
}

TEST(DeepSpeedUpdate, InBf16OnlyLooksForOverflows) {
  Wrapped wrapped("bf16 = {}");

  EXPECT_EQ(wrapped.step().skipped, 0);
  EXPECT_THAT(wrapped.run.calls, ElementsAre("unscale 1", "step"));
  wrapped.run.found_inf = true;
  EXPECT_EQ(wrapped.step().skipped, 1);
  EXPECT_EQ(wrapped.loss_factor(), 1);
}

TEST(DeepSpeedUpdate, InBf16MayLookAway) {
  Wrapped wrapped("bf16 = { check_grad_overflow = false }");

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("step"));
}

TEST(DeepSpeedUpdate, InFp32IsThatOfEveryWrapper) {
  Wrapped wrapped("clip_grad = { max_norm = 1 }\naccumulative_counts = 4");
  wrapped.run.norm = 4;

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2", text("scale ", 1 / (4 + 1e-6)), "step"));
  EXPECT_EQ(wrapped.loss_factor(4), 0.25);
  EXPECT_EQ(wrapped.window(9), std::pair(1, 4));
}

TEST(DeepSpeedUpdate, AveragesOverTheWindowAndScales) {
  const Wrapped wrapped("fp16 = { loss_scale = 64 }\naccumulative_counts = 4");

  EXPECT_EQ(wrapped.loss_factor(4), 16);
}

// --- state and configuration

TEST(DeepSpeedLossScale, GoesOnWhereItWas) {
  const std::string keys =
      "fp16 = { initial_scale_power = 8, loss_scale_window = 4, hysteresis = 2 }";
  Wrapped whole(keys);
  const std::vector<double> scales = whole.scales("oOOoOoooooOO");

  for (size_t cut = 1; cut < scales.size(); ++cut) {
    Wrapped first(keys);
    first.scales(std::string("oOOoOoooooOO").substr(0, cut));
    Wrapped second(keys);
    second.load(first.save());
    EXPECT_EQ(second.scales(std::string("oOOoOoooooOO").substr(cut)),
              std::vector<double>(scales.begin() + static_cast<std::ptrdiff_t>(cut), scales.end()))
        << cut;
  }
}

TEST(DeepSpeedLossScale, StateOfAnotherWrappersScalerGivesTheScale) {
  const Wrapped wrapped("fp16 = {}");

  wrapped.load(R"({"loss_scaler": {"scale": 8.0, "growth_tracker": 3}})");

  EXPECT_EQ(wrapped.loss_factor(), 8);
}

TEST(DeepSpeedLossScale, AFixedOneIsTheConfigurations) {
  const Wrapped wrapped("fp16 = { loss_scale = 32 }");

  wrapped.load(R"({"loss_scaler": {"scale": 8.0}})");

  EXPECT_EQ(wrapped.loss_factor(), 32);
}

TEST(DeepSpeedLossScale, WithoutOneThereIsNothingToSave) {
  EXPECT_THAT(Wrapped().save(), IsEmpty());
}

TEST(DeepSpeedWrapperConfig, RefusalsNameTheKeyAndItsPlace) {
  EXPECT_THAT(wrapper_refusal("fp16 = { loss_scale = -1 }"), HasSubstr("test.toml:1"));
  EXPECT_THAT(wrapper_refusal("fp16 = { loss_scale_window = 0 }"),
              HasSubstr("fp16.loss_scale_window = 0"));
  EXPECT_THAT(wrapper_refusal("fp16 = { hysteresis = 0 }"), HasSubstr("fp16.hysteresis = 0"));
  EXPECT_THAT(wrapper_refusal("fp16 = { min_loss_scale = 0 }"),
              HasSubstr("fp16.min_loss_scale = 0"));
  EXPECT_THAT(wrapper_refusal("fp16 = { min_loss_scale_warnings = -2 }"),
              HasSubstr("min_loss_scale_warnings"));
  EXPECT_THAT(wrapper_refusal("fp16 = {}\nbf16 = {}"), HasSubstr("both fp16 and bf16"));
  EXPECT_THAT(wrapper_refusal("accumulative_counts = 0"), HasSubstr("accumulative_counts"));
}

TEST(DeepSpeedWrapperConfig, AFixedScaleDoesNotReadTheRest) {
  EXPECT_EQ(wrapper_refusal("fp16 = { loss_scale = 2, hysteresis = 0 }"), "");
}

}  // namespace
}  // namespace strata::test
