// What [strategy] of ColossalAIStrategy may say, and what becomes of it.
#include "loaded.hpp"

namespace strata::colossalai {
namespace {

std::string refusal(const std::string& keys) {
  return test::error_of([&] { std::ignore = settings(keys); });
}

std::string zero_refusal(const std::string& keys) {
  return test::error_of([&] { std::ignore = low_level_zero(keys); });
}

std::string gemini_refusal(const std::string& keys) {
  return test::error_of([&] { std::ignore = gemini(keys); });
}

// --- which plugin

TEST(ColossalAIPlugin, IsGeminiInBf16WithAutomaticPlacementByNameAndByDefault) {
  for (const char* keys : {"", "plugin = \"gemini\""}) {
    const Settings s = settings(keys);
    const auto& c = std::get<GeminiConfig>(s.plugin);
    EXPECT_EQ(c.precision, STRATA_BF16) << keys;
    EXPECT_TRUE(c.auto_placement) << keys;
    EXPECT_THAT(c.notes, IsEmpty()) << keys;
  }
}

TEST(ColossalAIPlugin, LowLevelZeroByNameIsStageOneInFp16FromAScaleOf2To32) {
  const Settings s = settings("plugin = \"lowlevel-zero\"");
  const auto& c = std::get<LowLevelZeroConfig>(s.plugin);

  EXPECT_EQ(c.stage, 1);
  EXPECT_EQ(c.precision, STRATA_F16);
  EXPECT_EQ(c.scaler.initial_scale, 4294967296.0);
}

TEST(ColossalAIPlugin, AsATableHasTheDefaultsOfItsClass) {
  const GeminiConfig g = gemini("");
  const LowLevelZeroConfig z = low_level_zero("");

  EXPECT_EQ(g.precision, STRATA_F16);
  EXPECT_FALSE(g.auto_placement);
  EXPECT_EQ(g.scaler.initial_scale, 65536);
  EXPECT_EQ(g.scaler.growth_interval, 1000);
  EXPECT_EQ(g.min_chunk_size_m, 32);
  EXPECT_EQ(g.shard_param_frac, 1);
  EXPECT_EQ(z.bucket_elements, 12 << 20);
  EXPECT_TRUE(z.overlap_communication);
  EXPECT_TRUE(z.cast_inputs);
  EXPECT_THAT(g.notes, IsEmpty());
  EXPECT_THAT(z.notes, IsEmpty());
}

TEST(ColossalAIPlugin, OthersAreRefusedWithWhatToUseInstead) {
  for (const auto& [name, instead] : {std::pair("TorchDDPPlugin", "DDPStrategy"),
                                      std::pair("TorchFSDPPlugin", "FSDPStrategy"),
                                      std::pair("HybridParallelPlugin", "LowLevelZeroPlugin"),
                                      std::pair("MoeHybridParallelPlugin", "LowLevelZeroPlugin")}) {
    EXPECT_THAT(refusal("[plugin]\ntype = \"" + std::string(name) + '"'),
                testing::AllOf(HasSubstr("run.toml:2"), HasSubstr(instead)));
  }
}

TEST(ColossalAIPlugin, AnUnknownOneIsRefusedWithTheNearest) {
  EXPECT_THAT(refusal("plugin = \"gemnii\""), HasSubstr("did you mean \"gemini\"?"));
  EXPECT_THAT(refusal("plugin = { type = \"LowLevelZeroPlug\" }"),
              HasSubstr("did you mean \"LowLevelZeroPlugin\"?"));
  EXPECT_THAT(refusal("plugin = \"something\""), HasSubstr("\"gemini\", \"lowlevel-zero\""));
  EXPECT_THAT(refusal("plugin = { stage = 1 }"), HasSubstr("needs a type"));
  EXPECT_THAT(refusal("plugin = 3"), HasSubstr("a name or a table"));
}

// --- what stands beside it

TEST(ColossalAIMixedPrecision, SayingThePluginsOwnIsNotedAndHasNoEffect) {
  for (const char* said :
       {"mixed_precision = \"bf16\"", "mixed_precision = { type = \"BF16MixedPrecision\" }"}) {
    const Settings s = settings(said);
    EXPECT_THAT(s.common().notes, ElementsAre(HasSubstr("mixed_precision has no effect"))) << said;
  }
}

TEST(ColossalAIMixedPrecision, ContradictingThePluginIsRefused) {
  EXPECT_THAT(refusal("mixed_precision = \"fp16\""), HasSubstr("the plugin computes in bf16"));
  EXPECT_THAT(refusal("plugin = \"lowlevel-zero\"\nmixed_precision = \"bf16\""),
              testing::AllOf(HasSubstr("run.toml:2"), HasSubstr("precision = \"bf16\"")));
}

TEST(ColossalAIMixedPrecision, WhatIsNotThereIsRefused) {
  EXPECT_THAT(refusal("mixed_precision = \"fp8\""), HasSubstr("no fp8 arithmetic"));
  EXPECT_THAT(refusal("mixed_precision = \"fp61\""), HasSubstr("is unknown"));
  EXPECT_THAT(refusal("mixed_precision = {}"), HasSubstr("needs a type"));
  EXPECT_THAT(refusal("mixed_precision = { type = \"FP16TorchMixedPrecision\", init_scale = 4.0 }"),
              HasSubstr("mixed_precision.init_scale: the loss scale is the plugin's"));
}

TEST(ColossalAIModelWrapper, IsAcceptedUnderBothSpellings) {
  EXPECT_EQ(refusal("model_wrapper = { type = \"ColossalAIModelWrapper\" }"), "");
  EXPECT_EQ(refusal("model_wrapper = { type = \"CollosalAIModelWrapper\" }"), "");
  EXPECT_THAT(refusal("model_wrapper = { type = \"MMDistributedDataParallel\" }"),
              HasSubstr("\"ColossalAIModelWrapper\""));
  EXPECT_THAT(refusal("model_wrapper = { device_ids = 1 }"),
              HasSubstr("unknown key model_wrapper.device_ids"));
}

TEST(ColossalAIConfig, IsAcceptedWithANote) {
  EXPECT_THAT(settings("config = { a = 1 }").common().notes,
              ElementsAre(HasSubstr("config has no effect")));
}

// --- arguments of both

TEST(ColossalAIArguments, OfBothAreRead) {
  const std::string keys = R"(
precision = "bf16"
max_norm = 1.5
norm_type = 2.0
master_weights = false
extra_dp_size = 2
verbose = true
use_fp8 = false
fp8_communication = false
)";
  const GeminiConfig g = gemini(keys);
  const LowLevelZeroConfig z = low_level_zero(keys);
  for (const Common* c : std::initializer_list<const Common*>{&g, &z}) {
    EXPECT_EQ(c->precision, STRATA_BF16);
    EXPECT_EQ(c->max_norm, 1.5);
    EXPECT_FALSE(c->master_weights);
    EXPECT_EQ(c->extra_dp_size, 2);
    EXPECT_TRUE(c->verbose);
  }
}

TEST(ColossalAIArguments, OfTheLossScaleAreRead) {
  const LowLevelZeroConfig c = low_level_zero(
      "initial_scale = 1024\nmin_scale = 2\nmax_scale = 4096\ngrowth_factor = 4\nbackoff_factor = "
      "0.25\n"
      "growth_interval = 7\nhysteresis = 3");

  EXPECT_EQ(c.scaler.initial_scale, 1024);
  EXPECT_EQ(c.scaler.min_scale, 2);
  EXPECT_EQ(c.scaler.max_scale, 4096);
  EXPECT_EQ(c.scaler.growth_factor, 4);
  EXPECT_EQ(c.scaler.backoff_factor, 0.25);
  EXPECT_EQ(c.scaler.growth_interval, 7);
  EXPECT_EQ(c.scaler.hysteresis, 3);
  EXPECT_THAT(c.notes, IsEmpty());
}

TEST(ColossalAIArguments, OfTheLossScaleAreNotedWhereNothingIsScaled) {
  EXPECT_THAT(low_level_zero("precision = \"bf16\"\nhysteresis = 3").notes,
              ElementsAre(HasSubstr("plugin.hysteresis has no effect: only fp16")));
}

struct Bad {
  const char* keys;
  const char* said;
};

class RefusedByBoth : public testing::TestWithParam<Bad> {};

TEST_P(RefusedByBoth, WithItsPlaceAndTheReason) {
  const auto [keys, said] = GetParam();

  for (const std::string& error : {zero_refusal(keys), gemini_refusal(keys)}) {
    EXPECT_THAT(error, HasSubstr(said));
    EXPECT_THAT(error, HasSubstr("run.toml:3"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Keys,
    RefusedByBoth,
    testing::Values(Bad{"precision = \"fp8\"", "it is one of \"fp16\", \"bf16\", \"fp32\""},
                    Bad{"max_norm = -1.0", "plugin.max_norm = -1 must be at least 0"},
                    Bad{"norm_type = 1.0", "plugin.norm_type = 1 must be in [2, 2]"},
                    Bad{"growth_factor = 0.5", "plugin.growth_factor"},
                    Bad{"backoff_factor = 1.0", "plugin.backoff_factor = 1 must be in (0, 1)"},
                    Bad{"growth_interval = 0", "must be at least 1"},
                    Bad{"hysteresis = 0", "must be at least 1"},
                    Bad{"initial_scale = 0.25", "initial_scale must lie there"},
                    Bad{"min_scale = 1e11", "initial_scale must lie there"},
                    Bad{"max_scale = 1e39", "plugin.max_scale"},
                    Bad{"extra_dp_size = 0", "must be in [1"},
                    Bad{"use_fp8 = true", "no fp8 arithmetic"},
                    Bad{"fp8_communication = true", "is not supported"},
                    Bad{"verbos = true", "unknown key plugin.verbos; did you mean \"verbose\"?"},
                    Bad{"stages = 1", "unknown key plugin.stages"}));

TEST(ColossalAIWorld, MustBeAMultipleOfTheReplicas) {
  const Settings s = settings("plugin = { type = \"GeminiPlugin\", extra_dp_size = 2 }");

  EXPECT_EQ(test::error_of([&] { check_world(s, 4); }), "");
  EXPECT_THAT(
      test::error_of([&] { check_world(s, 3); }),
      testing::AllOf(HasSubstr("extra_dp_size = 2 does not divide 3"), HasSubstr("run.toml:1")));
}

// --- LowLevelZero

TEST(LowLevelZeroArguments, AreRead) {
  const LowLevelZeroConfig c = low_level_zero(R"(
stage = 2
precision = "fp32"
reduce_bucket_size_in_m = 0.5
communication_dtype = "torch.bfloat16"
overlap_communication = false
overlap_allgather = true
cpu_offload = true
)");

  EXPECT_EQ(c.stage, 2);
  EXPECT_EQ(c.precision, STRATA_F32);
  EXPECT_EQ(c.bucket_elements, 524288);
  EXPECT_EQ(c.communication_dtype, STRATA_BF16);
  EXPECT_FALSE(c.overlap_communication);
  EXPECT_TRUE(c.overlap_allgather);
  EXPECT_TRUE(c.cpu_offload);
}

TEST(LowLevelZeroArguments, ABucketHasAtLeastOneElement) {
  EXPECT_EQ(low_level_zero("reduce_bucket_size_in_m = 1e-9").bucket_elements, 1);
}

TEST(LowLevelZeroArguments, EveryTypeMayTravel) {
  for (const auto& [name, dtype] : {std::pair("fp16", STRATA_F16),
                                    std::pair("bf16", STRATA_BF16),
                                    std::pair("fp32", STRATA_F32),
                                    std::pair("float16", STRATA_F16),
                                    std::pair("bfloat16", STRATA_BF16),
                                    std::pair("torch.float32", STRATA_F32)}) {
    EXPECT_EQ(low_level_zero(text("communication_dtype = \"", name, '"')).communication_dtype,
              dtype)
        << name;
  }
}

TEST(LowLevelZeroArguments, WithoutEffectInFp32AreNoted) {
  const LowLevelZeroConfig c =
      low_level_zero("precision = \"fp32\"\nmaster_weights = false\ncast_inputs = true");

  EXPECT_TRUE(c.master_weights);
  EXPECT_THAT(c.notes,
              ElementsAre(HasSubstr("master_weights has no effect"),
                          HasSubstr("cast_inputs has no effect")));
}

TEST(LowLevelZeroArguments, OutOfRangeOrOfGeminiAreRefused) {
  EXPECT_THAT(zero_refusal("stage = 3"), HasSubstr("plugin.stage = 3 must be in [1, 2]"));
  EXPECT_THAT(zero_refusal("reduce_bucket_size_in_m = 0"), HasSubstr("must be more than 0"));
  EXPECT_THAT(zero_refusal("communication_dtype = \"int8\""), HasSubstr("it is one of"));
  EXPECT_THAT(zero_refusal("placement_policy = \"static\""),
              HasSubstr("unknown key plugin.placement_policy"));
}

// --- Gemini

TEST(GeminiArguments, AreRead) {
  const GeminiConfig c = gemini(R"(
enable_gradient_accumulation = true
max_prefetch = 2
shard_param_frac = 0.75
offload_optim_frac = 0.5
offload_param_frac = 0.25
search_range_m = 1.5
hidden_dim = 768
min_chunk_size_m = 0.25
enable_async_reduce = false
tp_size = 1
enable_flash_attention = false
strict_ddp_mode = false
chunk_config_dict = { 2 = { chunk_size = 1024, keep_gathered = true }, 4 = { chunk_size = 512 } }
)");

  EXPECT_TRUE(c.gradient_accumulation);
  EXPECT_EQ(c.max_prefetch, 2);
  EXPECT_EQ(c.shard_param_frac, 0.75);
  EXPECT_EQ(c.offload_optim_frac, 0.5);
  EXPECT_EQ(c.offload_param_frac, 0.25);
  EXPECT_EQ(c.search_range_m, 1.5);
  EXPECT_EQ(c.hidden_dim, 768);
  EXPECT_EQ(c.min_chunk_size_m, 0.25);
  EXPECT_FALSE(c.async_reduce);
  EXPECT_EQ(c.chunk_config_dict.at(2).chunk_size, 1024);
  EXPECT_TRUE(c.chunk_config_dict.at(2).keep_gathered);
  EXPECT_EQ(c.chunk_config_dict.at(4).chunk_size, 512);
  EXPECT_THAT(c.notes, IsEmpty());
}

TEST(GeminiArguments, OfAutomaticPlacementAreRead) {
  const GeminiConfig c = gemini(R"(
placement_policy = "auto"
warmup_non_model_data_ratio = 0.7
steady_cuda_cap_ratio = 0.8
gpu_margin_mem_ratio = 0.25
device_memory_mb = 3
)");

  EXPECT_TRUE(c.auto_placement);
  EXPECT_EQ(c.warmup_non_model_data_ratio, 0.7);
  EXPECT_EQ(c.steady_cuda_cap_ratio, 0.8);
  EXPECT_EQ(c.gpu_margin_mem_ratio, 0.25);
  EXPECT_EQ(c.device_bytes, 3 << 20);
  EXPECT_THAT(c.notes, IsEmpty());
}

TEST(GeminiArguments, OfTheOtherPlacementAreNoted) {
  EXPECT_THAT(gemini("placement_policy = \"auto\"\nshard_param_frac = 0.5").notes,
              ElementsAre(HasSubstr("plugin.shard_param_frac has no effect")));
  EXPECT_THAT(gemini("steady_cuda_cap_ratio = 0.5").notes,
              ElementsAre(HasSubstr("plugin.steady_cuda_cap_ratio has no effect")));
}

TEST(GeminiArguments, WithoutEffectAreNoted) {
  EXPECT_THAT(
      gemini("chunk_init_device = \"cpu\"\nforce_outputs_fp32 = true\npin_memory = true").notes,
      ElementsAre(HasSubstr("plugin.chunk_init_device has no effect"),
                  HasSubstr("plugin.force_outputs_fp32 has no effect"),
                  HasSubstr("plugin.pin_memory has no effect")));
}

TEST(GeminiArguments, OldPlacementsAreRefusedWithWhatToWrite) {
  EXPECT_THAT(gemini_refusal("placement_policy = \"cuda\""), HasSubstr("write \"static\""));
  EXPECT_THAT(gemini_refusal("placement_policy = \"cpu\""), HasSubstr("offload_param_frac = 1.0"));
  EXPECT_THAT(gemini_refusal("placement_policy = \"const\""), HasSubstr("the fractions"));
  EXPECT_THAT(gemini_refusal("placement_policy = \"other\""), HasSubstr("\"static\", \"auto\""));
}

TEST(GeminiArguments, ParametersThatStayGatheredCannotBeOffloaded) {
  EXPECT_THAT(gemini_refusal("shard_param_frac = 0.5\noffload_param_frac = 0.75"),
              testing::AllOf(HasSubstr("run.toml:4"), HasSubstr("only shards can leave it")));
  EXPECT_EQ(gemini_refusal("shard_param_frac = 0.5\noffload_param_frac = 0.5"), "");
}

class RefusedByGemini : public testing::TestWithParam<Bad> {};

TEST_P(RefusedByGemini, WithItsPlaceAndTheReason) {
  const auto [keys, said] = GetParam();

  const std::string error = gemini_refusal(keys);

  EXPECT_THAT(error, HasSubstr(said));
  EXPECT_THAT(error, HasSubstr("run.toml:3"));
}

INSTANTIATE_TEST_SUITE_P(
    Keys,
    RefusedByGemini,
    testing::Values(
        Bad{"tp_size = 2", "layers are not cut over ranks"},
        Bad{"enable_all_optimization = true", "is not supported"},
        Bad{"enable_fused_normalization = true", "is not supported"},
        Bad{"enable_flash_attention = true", "is not supported"},
        Bad{"enable_sequence_parallelism = true", "tp_size > 1"},
        Bad{"enable_jit_fused = true", "is not supported"},
        Bad{"strict_ddp_mode = true", "DDPStrategy"},
        Bad{"memstats = {}", "the first iteration records them"},
        Bad{"shard_param_frac = 1.5", "must be in [0, 1]"},
        Bad{"offload_optim_frac = -0.5", "must be in [0, 1]"},
        Bad{"steady_cuda_cap_ratio = 0", "must be in (0, 1]"},
        Bad{"warmup_non_model_data_ratio = 1", "must be in [0, 1)"},
        Bad{"max_prefetch = -1", "must be at least 0"},
        Bad{"hidden_dim = 0", "must be at least 1"},
        Bad{"min_chunk_size_m = 0", "must be more than 0"},
        Bad{"device_memory_mb = 0", "must be in [1"},
        Bad{"chunk_config_dict = 3", "must be a table"},
        Bad{"chunk_config_dict = { 2 = { keep_gathered = true } }", "needs a chunk_size"},
        Bad{"chunk_config_dict = { two = { chunk_size = 2 } }", "must be a number of ranks"},
        Bad{"chunk_config_dict = { 2 = { chunk_size = 2, keep_gatherd = true } }",
            "did you mean \"keep_gathered\"?"}));

}  // namespace
}  // namespace strata::colossalai
