// The optimizer wrappers: windows, loss factors, clipping, loss scale, mixed precision.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wrapped.hpp"

namespace strata::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Wrapper = border::Object<strata_optim_wrapper_api>;

constexpr double kInf = std::numeric_limits<double>::infinity();

/// A wrapper that has begun. max_iters 0: unknown.
struct Wrapped : WrappedIn {
  explicit Wrapped(const std::string& type,
                   const std::string& keys = {},
                   int64_t max_iters = 0,
                   int32_t device = STRATA_CPU)
      : WrappedIn("optim_wrapper_standard", type, keys, max_iters, device) {}
};

std::string refusal(const std::string& type, const std::string& keys) {
  return error_of([&] { const Wrapped wrapped(type, keys); });
}

TEST(Windows, TheLastOneIsShorterWhenTheRunsLengthIsKnown) {
  const Wrapped wrapped("OptimWrapper", "accumulative_counts = 4", 10);
  std::vector<std::pair<int32_t, int32_t>> found;
  found.reserve(10);
  for (int64_t iter = 0; iter < 10; ++iter) {
    found.push_back(wrapped.window(iter));
  }

  EXPECT_EQ(found,
            (std::vector<std::pair<int32_t, int32_t>>{
                {0, 4}, {1, 4}, {2, 4}, {3, 4}, {0, 4}, {1, 4}, {2, 4}, {3, 4}, {0, 2}, {1, 2}}));
}

TEST(Windows, AreAllAlikeWhenItIsNot) {
  const Wrapped wrapped("OptimWrapper", "accumulative_counts = 4");

  EXPECT_EQ(wrapped.window(9), std::pair(1, 4));
}

TEST(Windows, AreOneIterationByDefault) {
  const Wrapped wrapped("OptimWrapper", "", 10);

  EXPECT_EQ(wrapped.window(7), std::pair(0, 1));
}

TEST(LossFactor, AveragesOverTheWindow) {
  const Wrapped wrapped("OptimWrapper");

  EXPECT_EQ(wrapped.loss_factor(4), 0.25);
}

TEST(Clipping, WithoutItTheStepIsAnUpdate) {
  Wrapped wrapped("OptimWrapper");

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("step"));
  EXPECT_TRUE(std::isnan(result.grad_norm));
  EXPECT_EQ(result.loss_scale, 1);
}

TEST(Clipping, ByNormScalesAsTorchDoes) {
  Wrapped wrapped("OptimWrapper", "clip_grad = {max_norm = 1.0}");
  wrapped.run.norm = 4;

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2", text("scale ", 1.0 / (4 + 1e-6)), "step"));
  EXPECT_EQ(result.grad_norm, 4);
}

TEST(Clipping, ByNormLeavesSmallGradientsAlone) {
  Wrapped wrapped("OptimWrapper",
                  R"(clip_grad = {type = "norm", max_norm = 5, norm_type = "inf"})");
  wrapped.run.norm = 4;

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm inf", "step"));
}

TEST(Clipping, ByValueClamps) {
  Wrapped wrapped("OptimWrapper", "clip_grad = {type = \"value\", clip_value = 0.5}");

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("clamp 0.5", "step"));
}

TEST(Clipping, AnInfiniteNormSkipsTheUpdate) {
  Wrapped wrapped("OptimWrapper", "clip_grad = {max_norm = 1}");
  wrapped.run.norm = kInf;

  const auto result = wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("norm 2"));
  EXPECT_EQ(result.skipped, 1);
}

TEST(Clipping, AnInfiniteNormIsAnErrorWhenItShallBe) {
  Wrapped wrapped("OptimWrapper", "clip_grad = {max_norm = 1, error_if_nonfinite = true}");
  wrapped.run.norm = kInf;

  EXPECT_THAT(error_of([&] { wrapped.step(); }), HasSubstr("error_if_nonfinite"));
}

TEST(WrapperConfig, RefusalsNameTheKeyAndItsPlace) {
  EXPECT_THAT(refusal("OptimWrapper", "accumulative_counts = 0"), HasSubstr("accumulative_counts"));
  EXPECT_THAT(refusal("OptimWrapper", "constructor = \"LayerDecay\""), HasSubstr("constructor"));
  EXPECT_THAT(refusal("OptimWrapper", "clip_grad = {}"), HasSubstr("clip_grad"));
  EXPECT_THAT(refusal("OptimWrapper", "clip_grad = {max_nrm = 1}"), HasSubstr("test.toml:1"));
  EXPECT_THAT(refusal("OptimWrapper", "clip_grad = {type = \"nrm\"}"), HasSubstr("\"nrm\""));
  EXPECT_THAT(refusal("OptimWrapper", "clip_grad = {max_norm = 0}"), HasSubstr("max_norm"));
  EXPECT_THAT(refusal("AmpOptimWrapper", "loss_scale = \"dynamc\""), HasSubstr("\"dynamc\""));
  EXPECT_THAT(refusal("AmpOptimWrapper", "loss_scale = {init_scal = 2}"), HasSubstr("init_scal"));
  EXPECT_THAT(refusal("AmpOptimWrapper", "loss_scale = {growth_factor = 0.5}"),
              HasSubstr("growth_factor"));
  EXPECT_THAT(refusal("AmpOptimWrapper", "dtype = \"half\""), HasSubstr("\"half\""));
}

TEST(MixedPrecision, IsBf16WithoutScaleOnACpu) {
  Wrapped wrapped("AmpOptimWrapper");

  EXPECT_THAT(wrapped.context(), ElementsAre(text("autocast ", int{STRATA_BF16}), "autocast end"));
  EXPECT_EQ(wrapped.loss_factor(), 1);
  wrapped.step();
  EXPECT_THAT(wrapped.run.calls, ElementsAre("step"));
}

TEST(MixedPrecision, IsFp16WithScaleOnCuda) {
  Wrapped wrapped("AmpOptimWrapper", "", 0, STRATA_CUDA);

  EXPECT_THAT(wrapped.context(), ElementsAre(text("autocast ", int{STRATA_F16}), "autocast end"));
  EXPECT_EQ(wrapped.loss_factor(2), 32768);
}

TEST(MixedPrecision, Bf16IsScaledWhenTheUserSaysHow) {
  const Wrapped wrapped("AmpOptimWrapper", "loss_scale = 128.0\ndtype = \"bfloat16\"");

  EXPECT_EQ(wrapped.loss_factor(), 128);
}

TEST(MixedPrecision, Float32HasNoAutocast) {
  Wrapped wrapped("AmpOptimWrapper", "dtype = \"float32\"\nuse_fsdp = true");

  EXPECT_THAT(wrapped.context(), IsEmpty());
}

TEST(LossScale, UnscalesByTheScaleOfTheBackwardAndBeforeClipping) {
  Wrapped wrapped("AmpOptimWrapper",
                  "dtype = \"float16\"\nclip_grad = {max_norm = 8}\nloss_scale = {init_scale = 4, "
                  "growth_interval = 1}");

  const auto first = wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre("unscale 0.25", "norm 2", "step"));
  EXPECT_EQ(first.loss_scale, 4);
  EXPECT_EQ(wrapped.loss_factor(), 8);
}

TEST(LossScale, HalvesAndSkipsOnOverflowAndGrowsAfterTheInterval) {
  Wrapped wrapped("AmpOptimWrapper",
                  "dtype = \"float16\"\nloss_scale = {init_scale = 16, growth_interval = 2}");
  std::vector<double> scales;
  std::vector<int32_t> skipped;

  for (const bool overflow : {true, true, false, false, false, true, false, false, false, false}) {
    wrapped.run.found_inf = overflow;
    skipped.push_back(wrapped.step().skipped);
    scales.push_back(wrapped.loss_factor());
  }

  EXPECT_THAT(scales, ElementsAre(8, 4, 4, 8, 8, 4, 4, 8, 8, 16));
  EXPECT_THAT(skipped, ElementsAre(1, 1, 0, 0, 0, 1, 0, 0, 0, 0));
}

TEST(LossScale, NothingIsUpdatedOnOverflow) {
  Wrapped wrapped("AmpOptimWrapper", "dtype = \"float16\"");
  wrapped.run.found_inf = true;

  wrapped.step();

  EXPECT_THAT(wrapped.run.calls, ElementsAre(text("unscale ", 1.0 / 65536)));
}

TEST(LossScale, AFixedOneStaysButStillSkips) {
  Wrapped wrapped("AmpOptimWrapper", "dtype = \"float16\"\nloss_scale = 512.0");
  wrapped.run.found_inf = true;

  EXPECT_EQ(wrapped.step().skipped, 1);
  EXPECT_EQ(wrapped.loss_factor(), 512);
}

TEST(LossScale, StateGoesOnWhereItWas) {
  const std::string keys = "loss_scale = {init_scale = 16, growth_interval = 2}\n";
  Wrapped first("AmpOptimWrapper", keys);
  first.step();
  first.step();
  first.step();  // 32, one good step towards the next
  Wrapped second("AmpOptimWrapper", keys);

  second.load(first.save());
  second.step();

  EXPECT_EQ(second.loss_factor(), 64);
}

TEST(LossScale, StateMayComeBeforeTheDeviceIsKnown) {
  OptimPlugin plugin("optim_wrapper_standard");
  FakeRun run;
  const Wrapper object =
      plugin.create<strata_optim_wrapper_api>("AmpOptimWrapper", "[optimizer]", &run);
  const std::string state = R"({"loss_scaler": {"scale": 8.0, "growth_tracker": 0}})";
  object.call(&strata_optim_wrapper_api::load, border::view(std::string_view(state)));
  const strata_wrapper_begin_args args = {
      STRATA_HDR(strata_wrapper_begin_args), 0, 0, {STRATA_CUDA, 0}};

  object.call(&strata_optim_wrapper_api::begin, &args);

  const strata_step_ctx ctx = {STRATA_HDR(strata_step_ctx), 0, 0, 0, 1, 0, 0, nullptr};
  double factor = 0;
  object.call(&strata_optim_wrapper_api::loss_factor, &ctx, &factor);
  EXPECT_EQ(factor, 8);
}

}  // namespace
}  // namespace strata::test
