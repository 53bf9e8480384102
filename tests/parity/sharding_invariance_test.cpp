// What may be set freely changes nothing, not one bit: bucket sizes, foresight, persistence, wrapping, transport, delays.
#include <gtest/gtest.h>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

constexpr const char* kOdd =
    R"(type = "MLP", in_features = 20, hidden = [33, 7, 17], num_classes = 5, activation = "gelu")";

std::string fsdp(const std::string& keys) {
  return R"({ type = "FSDPStrategy", model_wrapper = { )" + keys + " } }";
}

std::string zero(int stage, const std::string& keys) {
  return R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = )" + std::to_string(stage) +
         keys + " } }";
}

/// LowLevelZero in fp32; keys behind the stage.
std::string low_level_zero(int stage, const std::string& keys) {
  return colossalai("LowLevelZeroPlugin", "stage = " + std::to_string(stage) + keys);
}

EngineResult run(const std::string& strategy, int world = 3, EngineRun more = {}) {
  more.strategy = strategy;
  more.model = kOdd;
  more.world = world;
  more.steps = std::min(more.steps, 8);
  return run_engine(more);
}

void expect_equal(const EngineResult& a, const EngineResult& b, const std::string& what) {
  EXPECT_EQ(a.losses, b.losses) << what;
  for (const auto& [name, weight] : b.weights) {
    EXPECT_TRUE(a.weights.at(name).equal(weight)) << what << ": " << name;
  }
}

const EngineResult& plain() {
  static const EngineResult result = run("{ type = \"DDPStrategy\" }");
  return result;
}

TEST(ShardingInvariance, BucketSizesFromOneElementToAllChangeNothing) {
  for (const int stage : {0, 1, 2, 3}) {
    for (const char* size : {"1", "40", "700", "5e8"}) {
      expect_equal(run(zero(stage, std::string(", reduce_bucket_size = ") + size)), plain(), size);
    }
  }
}

TEST(ShardingInvariance, SettingsOfLowLevelZeroChangeNothing) {
  for (const int stage : {1, 2}) {
    for (const char* keys : {", reduce_bucket_size_in_m = 1e-9",
                             ", reduce_bucket_size_in_m = 0.0003, overlap_communication = false",
                             ", reduce_bucket_size_in_m = 0.0003, overlap_allgather = true",
                             ", cpu_offload = true",
                             ", cpu_offload = true, overlap_allgather = true",
                             ", communication_dtype = \"fp32\""}) {
      expect_equal(run(low_level_zero(stage, keys)), plain(), text(stage, keys));
    }
  }
}

TEST(ShardingInvariance, OverlapChangesNothing) {
  for (const int stage : {1, 2, 3}) {
    expect_equal(run(zero(stage, ", overlap_comm = true")), plain(), "on");
    expect_equal(run(zero(stage, ", overlap_comm = false")), plain(), "off");
  }
}

TEST(ShardingInvariance, ForesightChangesNothing) {
  for (
      const char* keys :
      {R"(auto_wrap_policy = "always_wrap_policy", backward_prefetch = "none")",
       R"(auto_wrap_policy = "always_wrap_policy", backward_prefetch = "BACKWARD_PRE", forward_prefetch = true)",
       R"(auto_wrap_policy = "always_wrap_policy", backward_prefetch = "BACKWARD_POST", forward_prefetch = true)"}) {
    expect_equal(run(fsdp(keys)), plain(), keys);
  }
  for (const char* keys : {", stage3_prefetch_bucket_size = 0, stage3_max_live_parameters = 0, "
                           "stage3_max_reuse_distance = 0",
                           ", stage3_prefetch_bucket_size = 300, stage3_max_live_parameters = 900, "
                           "stage3_max_reuse_distance = 0",
                           ", stage3_prefetch_bucket_size = 300, stage3_max_live_parameters = 900, "
                           "stage3_max_reuse_distance = 500"}) {
    expect_equal(run(zero(3, std::string(keys) + ", stage3_param_persistence_threshold = 0")),
                 plain(),
                 keys);
  }
}

TEST(ShardingInvariance, PersistenceChangesNothing) {
  for (const char* keys :
       {", stage3_param_persistence_threshold = 0",
        ", stage3_param_persistence_threshold = 20",
        ", stage3_param_persistence_threshold = 1000000000",
        ", stage3_param_persistence_threshold = 1000, stage3_model_persistence_threshold = 60"}) {
    expect_equal(run(zero(3, keys)), plain(), keys);
  }
}

TEST(ShardingInvariance, WrappingAndLeafModulesChangeNothing) {
  for (const char* keys :
       {"sharding_strategy = \"FULL_SHARD\"",
        R"(auto_wrap_policy = "always_wrap_policy")",
        R"(auto_wrap_policy = { type = "size_based_auto_wrap_policy", min_num_params = 200 })",
        R"(auto_wrap_policy = { type = "module_wrap_policy", unit_names = ["fc2", "head"] })",
        R"(auto_wrap_policy = "always_wrap_policy", ignored_parameters = ["fc2.*"])"}) {
    expect_equal(run(fsdp(keys)), plain(), keys);
  }
  expect_equal(run(zero(3, R"(, leaf_module = { names = ["fc1"] })")), plain(), "leaf");
}

TEST(ShardingInvariance, GlooAndDelaysOf100MsChangeNothing) {
  for (const char* backend : {"gloo", "delayed"}) {
    EngineRun more;
    more.steps = backend == std::string("gloo") ? 8 : 3;
    more.backend = backend;
    EngineRun threads;
    threads.steps = more.steps;
    const EngineResult expected = run("{ type = \"DDPStrategy\" }", 2, threads);
    for (const std::string& strategy :
         {fsdp(R"(auto_wrap_policy = "always_wrap_policy", forward_prefetch = true)"),
          fsdp(R"(auto_wrap_policy = "always_wrap_policy", sharding_strategy = "SHARD_GRAD_OP")"),
          zero(1, ""),
          zero(2, ", reduce_bucket_size = 300, overlap_comm = true"),
          zero(3, ", stage3_param_persistence_threshold = 20"),
          low_level_zero(1, ", reduce_bucket_size_in_m = 0.0003, overlap_allgather = true"),
          low_level_zero(2, ", reduce_bucket_size_in_m = 0.0003, overlap_allgather = true")}) {
      expect_equal(run(strategy, 2, more), expected, strategy + " over " + backend);
    }
  }
}

TEST(ShardingInvariance, HybridMeshesAddInRankOrderWhateverTheirShape) {
  const EngineRun four;
  const EngineResult expected = run("{ type = \"DDPStrategy\" }", 4, four);
  for (const char* mesh : {"[1, 4]", "[2, 2]", "[4, 1]"}) {
    expect_equal(
        run(fsdp(
                std::string(
                    R"(sharding_strategy = "HYBRID_SHARD", auto_wrap_policy = "always_wrap_policy", )") +
                "device_mesh = " + mesh),
            4,
            four),
        expected,
        mesh);
  }
  for (const char* replicas : {"1", "2", "4"}) {
    for (const int stage : {1, 2}) {
      expect_equal(
          run(low_level_zero(stage, std::string(", extra_dp_size = ") + replicas), 4, four),
          expected,
          text("stage ", stage, ", replicas ", replicas));
    }
  }
}

// Within a window either each rank adds its micro-batches first, or ranks are added in each micro-batch. Strategies that
// do the same agree to the bit.
TEST(ShardingInvariance, AccumulationAgreesAmongStrategiesThatAddInTheSameOrder) {
  EngineRun window;
  window.accumulation = 3;
  const std::string wrap = R"(auto_wrap_policy = "always_wrap_policy")";
  const EngineResult local_first = run("{ type = \"DDPStrategy\" }", 2, window);
  for (const std::string& strategy :
       {fsdp(wrap),
        fsdp(wrap + R"(, sharding_strategy = "SHARD_GRAD_OP")"),
        fsdp(wrap + R"(, sharding_strategy = "NO_SHARD")"),
        zero(0, ""),
        zero(1, ", reduce_bucket_size = 300"),
        low_level_zero(1, ""),
        low_level_zero(1, ", cpu_offload = true, overlap_allgather = true")}) {
    expect_equal(run(strategy, 2, window), local_first, strategy);
  }
  const EngineResult ranks_first = run(zero(3, ""), 2, window);
  for (const std::string& strategy :
       {fsdp(wrap + ", no_sync = false"),
        fsdp(wrap + R"(, sharding_strategy = "SHARD_GRAD_OP", no_sync = false)"),
        zero(2, ", reduce_bucket_size = 300"),
        low_level_zero(2, ""),
        colossalai("GeminiPlugin", "chunk_config_dict = { 2 = { chunk_size = 700 } }")}) {
    expect_equal(run(strategy, 2, window), ranks_first, strategy);
  }
}

TEST(ShardingInvariance, FrozenUnusedAndEmptyParametersAreNoExceptions) {
  EngineRun run;
  run.model = R"(type = "Wayward")";
  run.world = 3;
  run.steps = 5;
  run.strategy = "{ type = \"DDPStrategy\" }";
  const EngineResult expected = run_engine(run);
  for (const std::string& strategy :
       {fsdp(R"(auto_wrap_policy = "always_wrap_policy")"),
        fsdp("sharding_strategy = \"FULL_SHARD\""),
        zero(1, ""),
        zero(2, ", reduce_bucket_size = 100"),
        zero(3, ""),
        zero(3, ", stage3_param_persistence_threshold = 0"),
        low_level_zero(1, ", overlap_allgather = true"),
        low_level_zero(2, ", reduce_bucket_size_in_m = 0.0001"),
        low_level_zero(2, ", cpu_offload = true"),
        colossalai("GeminiPlugin", "chunk_config_dict = { 3 = { chunk_size = 100 } }")}) {
    run.strategy = strategy;
    expect_equal(run_engine(run), expected, strategy);
  }
  for (const char* still : {"frozen", "unused"}) {
    EXPECT_TRUE(expected.weights.at(still).eq(0.75).all().item<bool>()) << still;
  }
}

// All of these runs poison what is evicted and what is handed out: padding is NaN.
TEST(ShardingInvariance, PaddingReachesNeitherNormNorWeights) {
  EngineRun clipped;
  clipped.wrapper = "clip_grad = { max_norm = 0.05 }\n";
  const EngineResult expected = run("{ type = \"DDPStrategy\" }", 3, clipped);
  for (const std::string& strategy :
       {fsdp(R"(auto_wrap_policy = "always_wrap_policy")"),
        zero(1, ""),
        zero(2, ""),
        zero(3, ", stage3_param_persistence_threshold = 20"),
        low_level_zero(1, ""),
        low_level_zero(2, ", cpu_offload = true"),
        colossalai("GeminiPlugin", "chunk_config_dict = { 3 = { chunk_size = 100 } }")}) {
    const EngineResult got = run(strategy, 3, clipped);
    for (size_t step = 0; step < got.losses.size(); ++step) {
      for (size_t micro = 0; micro < got.losses[step].size(); ++micro) {
        EXPECT_NEAR(got.losses[step][micro], expected.losses[step][micro], 1e-6)
            << strategy << ", step " << step;
      }
    }
  }
  EXPECT_NE(expected.losses, plain().losses);
}

}  // namespace
}  // namespace strata::test
