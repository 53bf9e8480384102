// From configurations to the struct: what is read, what is said, what is refused.
#include "loaded.hpp"

namespace strata::deepspeed {
namespace {

constexpr const char* kSeed = R"(
type = "DeepSpeedStrategy"
inputs_to_half = [0]
[fp16]
enabled = true
fp16_master_weights_and_grads = false
loss_scale = 0
loss_scale_window = 500
hysteresis = 2
min_loss_scale = 1
initial_scale_power = 15
[zero_optimization]
stage = 3
allgather_partitions = true
reduce_scatter = true
allgather_bucket_size = 50_000_000
reduce_bucket_size = 50_000_000
overlap_comm = true
contiguous_gradients = true
cpu_offload = false
)";

TEST(DeepSpeedConfig, ReadsTheSeedsStrategy) {
  const Loaded loaded = toml(kSeed);

  const DeepSpeedConfig& c = loaded.config;
  EXPECT_TRUE(c.fp16.enabled);
  EXPECT_EQ(c.fp16.loss_scale, 0);
  EXPECT_EQ(c.fp16.loss_scale_window, 500);
  EXPECT_EQ(c.fp16.initial_scale_power, 15);
  EXPECT_EQ(c.model_dtype(), STRATA_F16);
  EXPECT_EQ(c.zero.stage, 3);
  EXPECT_EQ(c.zero.reduce_bucket_size, 50'000'000);
  EXPECT_TRUE(c.zero.overlaps());
  ASSERT_EQ(c.inputs_to_half.size(), 1);
  EXPECT_EQ(c.inputs_to_half[0].position, 0);
  EXPECT_FALSE(c.gradient_clipping.has_value());
  EXPECT_THAT(c.warnings,
              ElementsAre(HasSubstr("zero_optimization.allgather_bucket_size has no effect")));
}

TEST(DeepSpeedConfig, HasDeepSpeedsDefaults) {
  const DeepSpeedConfig c = json("{}").config;

  EXPECT_EQ(c.zero.stage, 0);
  EXPECT_FALSE(c.zero.overlaps());
  EXPECT_EQ(c.zero.reduce_bucket_size, 500'000'000);
  EXPECT_EQ(c.zero.prefetch_bucket_size, 50'000'000);
  EXPECT_EQ(c.zero.param_persistence_threshold, 100'000);
  EXPECT_EQ(c.grad_accum_dtype, "fp32");
  EXPECT_EQ(c.model_dtype(), STRATA_F32);
}

TEST(DeepSpeedConfig, OverlapIsOnAtStageThreeOnlyUnlessSaid) {
  EXPECT_TRUE(json(R"({"zero_optimization": {"stage": 3}})").config.zero.overlaps());
  EXPECT_FALSE(json(R"({"zero_optimization": {"stage": 2}})").config.zero.overlaps());
  EXPECT_FALSE(
      json(R"({"zero_optimization": {"stage": 3, "overlap_comm": false}})").config.zero.overlaps());
}

TEST(DeepSpeedConfig, TakesIntegersAsFloatsAndNumbersAsTexts) {
  const Zero z =
      json(
          R"({"zero_optimization": {"reduce_bucket_size": 5e7, "stage3_max_live_parameters": "1e9"}})")
          .config.zero;

  EXPECT_EQ(z.reduce_bucket_size, 50'000'000);
  EXPECT_EQ(z.max_live_parameters, 1'000'000'000);
  EXPECT_EQ(json(R"({"fp16": {"loss_scale": "128"}})").config.fp16.loss_scale, 128);
}

TEST(DeepSpeedConfig, RefusesWhatIsNoInteger) {
  EXPECT_EQ(refusal("{\"zero_optimization\": {\n\"reduce_bucket_size\": 1.5}}"),
            "ds_config.json:2: zero_optimization.reduce_bucket_size must be an integer, found 1.5");
  EXPECT_THAT(refusal(R"({"fp16": {"loss_scale": true}})"),
              HasSubstr("fp16.loss_scale must be a number, found true"));
  EXPECT_THAT(refusal(R"({"fp16": {"loss_scale": -1}})"), HasSubstr("must lie in [0, inf)"));
}

TEST(DeepSpeedConfig, RefusesUnknownKeysOfSectionsWithTheNearestName) {
  EXPECT_EQ(refusal("{\"zero_optimization\": {\n\"reduce_buket_size\": 1}}"),
            "ds_config.json:2: unknown key \"zero_optimization.reduce_buket_size\"; did you mean "
            "\"reduce_bucket_size\"?");
  EXPECT_THAT(test::error_of([] { std::ignore = toml("[fp16]\nenable = true"); }),
              HasSubstr("run.toml:2:1: unknown key \"fp16.enable\"; did you mean \"enabled\"?"));
}

TEST(DeepSpeedConfig, WarnsOfUnknownKeysOfAFilesTopLevel) {
  EXPECT_THAT(
      json(R"({"grandient_accumulation_steps": 2, "my_own_block": {"a": 1}})").config.warnings,
      ElementsAre(HasSubstr("did you mean \"gradient_accumulation_steps\"?"),
                  HasSubstr("unknown key \"my_own_block\"; it is left alone")));
}

TEST(DeepSpeedConfig, ReadsOldNamesWithAWarning) {
  const Loaded loaded = json(R"({"bfloat16": {"enabled": true}, "aio": {"thread_count": 1}})");

  EXPECT_TRUE(loaded.config.bf16.enabled);
  EXPECT_THAT(loaded.config.warnings,
              ElementsAre(HasSubstr("bfloat16 is an old name; write bf16"),
                          HasSubstr("thread_count is an old name")));
}

TEST(DeepSpeedConfig, RefusesAnOldNameBesideItsNewOne) {
  EXPECT_THAT(refusal(R"({"bfloat16": {"enabled": true}, "bf16": {"enabled": true}})"),
              HasSubstr("bfloat16 and bf16 are two names of one key"));
  EXPECT_THAT(
      refusal(
          R"({"zero_optimization": {"max_live_parameters": 1, "stage3_max_live_parameters": 1}})"),
      HasSubstr("two names of one key"));
}

TEST(DeepSpeedConfig, TakesTheNamesWithoutStage3) {
  EXPECT_EQ(json(R"({"zero_optimization": {"prefetch_bucket_size": 7}})")
                .config.zero.prefetch_bucket_size,
            7);
}

TEST(DeepSpeedConfig, TakesATrueSectionAsStageOne) {
  EXPECT_EQ(json(R"({"zero_optimization": true})").config.zero.stage, 1);
  EXPECT_EQ(json(R"({"zero_optimization": false})").config.zero.stage, 0);
}

TEST(DeepSpeedConfig, AcceptsALossScaleInBf16WithAWarning) {
  EXPECT_THAT(json(R"({"bf16": {"enabled": true, "loss_scale": 0}})").config.warnings,
              ElementsAre(HasSubstr("bf16.loss_scale has no effect: bf16 has the range of fp32")));
}

TEST(DeepSpeedConfig, AcceptsOffloadToNowhere) {
  EXPECT_EQ(
      refusal(
          R"({"zero_optimization": {"stage": 3, "offload_param": {"device": "none", "pin_memory": true},
                        "offload_optimizer": {}, "cpu_offload": false}})"),
      "");
  EXPECT_EQ(refusal(R"({"zero_optimization": {"offload_param": null}})"), "");
}

TEST(DeepSpeedConfig, RefusesOffload) {
  EXPECT_EQ(refusal("{\"zero_optimization\": {\"stage\": 3, \"offload_optimizer\": {\n\"device\": "
                    "\"cpu\"}}}"),
            "ds_config.json:2: zero_optimization.offload_optimizer.device = \"cpu\" is not "
            "supported: offloading is "
            "not implemented: this build computes on CPUs, where parameters and optimizer state "
            "are in CPU memory "
            "already; write \"none\" or leave the section out");
  EXPECT_THAT(refusal(R"({"zero_optimization": {"cpu_offload": true}})"),
              HasSubstr("offloading is not implemented"));
}

TEST(DeepSpeedConfig, TechniquesThatAreOffMayHaveAnyKeys) {
  EXPECT_EQ(refusal(R"({"progressive_layer_drop": {"enabled": false, "theta": 0.5},
                        "compile": {"deepcompile": false, "backend": "inductor"},
                        "elasticity": {"enabled": false, "micro_batch_sizes": [2, 4]}})"),
            "");
}

struct Together {
  const char* name;
  const char* json;
  const char* says;
};

void PrintTo(const Together& t, std::ostream* out) {
  *out << t.name;
}

class DeepSpeedConfigTogether : public testing::TestWithParam<Together> {};

TEST_P(DeepSpeedConfigTogether, IsRefused) {
  EXPECT_THAT(refusal(GetParam().json), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Keys,
    DeepSpeedConfigTogether,
    testing::Values(
        Together{"TwoPrecisions",
                 R"({"fp16": {"enabled": true}, "bf16": {"enabled": true}})",
                 "fp16 and bf16 are both enabled"},
        Together{"SumAtStage3",
                 R"({"gradient_allreduce_op": "SUM", "zero_optimization": {"stage": 3}})",
                 "not possible at stage 3"},
        Together{"ParamDtype", R"({"data_types": {"param_dtype": "bf16"}})", "weights are fp32"},
        Together{"AccumulationOfFp32InHalf",
                 R"({"data_types": {"grad_accum_dtype": "bf16"}})",
                 "weights in fp32"},
        Together{"NoWindow",
                 R"({"fp16": {"enabled": true, "loss_scale_window": 0}})",
                 "loss_scale_window = 0"},
        Together{"NoMinimum",
                 R"({"fp16": {"enabled": true, "min_loss_scale": 0}})",
                 "min_loss_scale = 0"},
        Together{"MastersInHalf",
                 R"({"bf16": {"enabled": true, "bf16_optimizer_states": true}})",
                 "are fp32 here"},
        Together{"UnknownOp", R"({"gradient_allreduce_op": "max"})", "must be one of mean|sum"},
        Together{
            "UnknownTag", R"({"checkpoint": {"tag_validation": "maybe"}})", "WARN|IGNORE|FAIL"},
        Together{"StageFour", R"({"zero_optimization": {"stage": 4}})", "[0, 3]"}),
    [](const auto& test) { return test.param.name; });

TEST(DeepSpeedConfigTogetherAccepted, AScaleThatIsNotUsedMayBeAnything) {
  EXPECT_EQ(refusal(R"({"fp16": {"enabled": false, "loss_scale_window": 0}})"), "");
  EXPECT_EQ(refusal(R"({"fp16": {"enabled": true, "loss_scale": 64, "hysteresis": 0}})"), "");
}

TEST(DeepSpeedConfig, ItsBlockForTheLogSaysWhatCounts) {
  EXPECT_EQ(
      shown(toml(kSeed).config),
      "DeepSpeed: ZeRO stage 3, fp16, loss scale from 2^15, window 500, hysteresis 2, at least 1\n"
      "  gradients: clipping as optim_wrapper.clip_grad says; mean over ranks; added in fp32, "
      "sent in their own type\n"
      "  overlap_comm true, prefetch_bucket_size 50000000, param_persistence_threshold 100000, "
      "max_live_parameters 1000000000, max_reuse_distance 1000000000");
  EXPECT_EQ(shown(json(R"({"bf16": {"enabled": true}, "gradient_clipping": 0})").config),
            "DeepSpeed: ZeRO stage 0, bf16, check_grad_overflow true\n"
            "  gradients: clipping off; mean over ranks; added in fp32, sent in their own type\n"
            "  overlap_comm false, reduce_bucket_size 500000000");
}

}  // namespace
}  // namespace strata::deepspeed
