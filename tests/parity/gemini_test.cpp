// Gemini's own promises: what may be set freely changes no bit, memory is what was promised, chunks come and go as told.
#include <map>
#include <string>

#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"
#include "unit/memory.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;

// The head is tied to the embedding, a chunk of 700 elements ends inside a block, 13 x 12 divides by no world but 1 to 4.
constexpr const char* kTied =
    R"(type = "GPT2", vocab_size = 13, n_positions = 7, n_layer = 3, n_head = 3, n_embd = 12, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0)";

constexpr const char* kStatic = R"(placement_policy = "static")";

/// chunk: elements; 0: the search decides, and such a small model is one chunk.
std::string gemini(const std::string& keys, int chunk = 700, const std::string& precision = "fp32") {
  std::string sizes;
  for (int world = 1; chunk > 0 && world <= 4; ++world) {
    sizes += (world > 1 ? ", " : "") + std::string("\"") + std::to_string(world) +
             "\" = { chunk_size = " + std::to_string(chunk) + ", keep_gathered = false }";
  }
  return R"({ type = "ColossalAIStrategy", plugin = { type = "GeminiPlugin", precision = ")" + precision +
         "\", " + keys + (chunk > 0 ? ", chunk_config_dict = { " + sizes + " }" : "") + " } }";
}

EngineRun run_of(const std::string& strategy, int world, int steps = 6) {
  EngineRun run;
  run.strategy = strategy;
  run.model = kTied;
  run.world = world;
  run.steps = steps;
  run.batches = [](int64_t first, int64_t count) { return token_batches(first, count, 2, 7, 13); };
  return run;
}

void expect_equal(const EngineResult& a, const EngineResult& b, const std::string& what) {
  EXPECT_EQ(a.losses, b.losses) << what;
  ASSERT_EQ(a.weights.size(), b.weights.size()) << what;
  for (const auto& [name, weight] : b.weights) {
    EXPECT_TRUE(a.weights.at(name).equal(weight)) << what << ": " << name;
  }
}

class GeminiInvariance : public testing::TestWithParam<const char*> {
 protected:
  static const EngineResult& plain(int world) {
    static std::map<int, EngineResult> known;
    const auto it = known.find(world);
    return it != known.end() ? it->second
                             : known.emplace(world, run_engine(run_of("{ type = \"DDPStrategy\" }", world)))
                                   .first->second;
  }
};

TEST_P(GeminiInvariance, HasTheBitsOfDataParallelTraining) {
  for (const int chunk : {1, 700, 0}) {
    expect_equal(run_engine(run_of(gemini(GetParam(), chunk), 3)), plain(3), std::to_string(chunk));
  }
  expect_equal(run_engine(run_of(gemini(GetParam()), 1)), plain(1), "alone");
}

INSTANTIATE_TEST_SUITE_P(
    Settings,
    GeminiInvariance,
    testing::Values(
        kStatic,
        R"(shard_param_frac = 0.0)",
        R"(shard_param_frac = 0.5)",
        R"(offload_optim_frac = 0.25)",
        R"(offload_optim_frac = 1.0)",
        R"(offload_optim_frac = 0.5, offload_param_frac = 0.5)",
        R"(offload_optim_frac = 1.0, offload_param_frac = 1.0)",
        R"(shard_param_frac = 0.25, offload_param_frac = 0.25)",
        R"(enable_gradient_accumulation = true)",
        R"(enable_async_reduce = false)",
        R"(placement_policy = "auto")",
        R"(placement_policy = "auto", gpu_margin_mem_ratio = 0.5, warmup_non_model_data_ratio = 0.1)"),
    [](const auto& p) { return "No" + std::to_string(p.index); });

TEST(Gemini, ForesightAndDelaysChangeNothing) {
  EngineRun plain = run_of("{ type = \"DDPStrategy\" }", 2, 3);
  plain.backend = "delayed";
  const EngineResult expected = run_engine(plain);
  for (const char* keys : {"max_prefetch = 0",
                           "max_prefetch = 1",
                           "max_prefetch = 3, shard_param_frac = 0.5",
                           R"(max_prefetch = 2, placement_policy = "auto")",
                           "max_prefetch = 2, enable_async_reduce = false"}) {
    EngineRun run = run_of(gemini(keys), 2, 3);
    run.backend = "delayed";
    expect_equal(run_engine(run), expected, keys);
  }
}

// Chunks have lost their values to gradients when the second micro-batch begins.
TEST(Gemini, AccumulatesWithAndWithoutMemoryForIt) {
  EngineRun other = run_of(R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3 } })", 3);
  other.accumulation = 3;
  const EngineResult expected = run_engine(other);
  for (const char* keys : {kStatic,
                           "enable_gradient_accumulation = true",
                           "shard_param_frac = 0.0",
                           "offload_optim_frac = 1.0, offload_param_frac = 1.0",
                           R"(placement_policy = "auto")"}) {
    EngineRun run = run_of(gemini(keys), 3);
    run.accumulation = 3;
    expect_equal(run_engine(run), expected, keys);
  }
}

// A recomputed block needs its parameters after a part of its chunk has been overwritten.
TEST(Gemini, RecomputesUnitsToTheBit) {
  for (const int chunk : {1, 700, 0}) {
    EngineRun run = run_of(gemini(kStatic, chunk), 2);
    const EngineResult plain = run_engine(run);
    run.more = "activation_checkpointing = { type = \"full\" }\n";
    expect_equal(run_engine(run), plain, std::to_string(chunk));
  }
}

TEST(Gemini, WithoutMastersTrainsInTheParametersPrecision) {
  EngineRun run = run_of(gemini("master_weights = false", 700, "bf16"), 2);
  const EngineResult two = run_engine(run);
  run = run_of(gemini("master_weights = false", 1, "bf16"), 2);
  expect_equal(run_engine(run), two, "chunk size");
  EXPECT_LT(two.losses.back()[0], two.losses.front()[0]);
}

TEST(Gemini, WithReplicasOfShardsHasTheBitsOfPlainSharding) {
  const EngineResult expected = run_engine(run_of("{ type = \"DDPStrategy\" }", 4));
  for (const char* keys : {"extra_dp_size = 2", "extra_dp_size = 4"}) {
    expect_equal(run_engine(run_of(gemini(keys), 4)), expected, keys);
  }
}

}  // namespace
}  // namespace strata::test
