// Gemini's own promises: what may be set freely changes no bit, memory is what was promised, chunks come and go as told.
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/kit/flat_layout.hpp"

#include "border/sinks.hpp"
#include "engine_run.hpp"
#include "rehearsal.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;

// The head is tied to the embedding, a chunk of 700 elements ends inside a block, 13 x 12 divides by no world but 1 to 4.
constexpr const char* kTied =
    R"(type = "GPT2", vocab_size = 13, n_positions = 7, n_layer = 3, n_head = 3, n_embd = 12, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0)";

constexpr const char* kStatic = R"(placement_policy = "static")";

/// chunk: elements; 0: the search decides, and such a small model is one chunk.
std::string gemini(const std::string& keys,
                   int chunk = 700,
                   const std::string& precision = "fp32") {
  std::string sizes;
  for (int world = 1; chunk > 0 && world <= 4; ++world) {
    sizes += (world > 1 ? ", " : "") + std::string("\"") + std::to_string(world) +
             "\" = { chunk_size = " + std::to_string(chunk) + ", keep_gathered = false }";
  }
  return R"({ type = "ColossalAIStrategy", plugin = { type = "GeminiPlugin", precision = ")" +
         precision + "\", " + keys + (chunk > 0 ? ", chunk_config_dict = { " + sizes + " }" : "") +
         " } }";
}

EngineRun run_of(const std::string& strategy, int world) {
  EngineRun run;
  run.strategy = strategy;
  run.model = kTied;
  run.world = world;
  run.steps = 6;
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

using Stats = std::map<std::string, int64_t>;

// What the strategy counted.
Stats stats_of(train::Engine& engine) {
  const border::NumberSink sink;
  engine.strategy().call(&strata_strategy_api::stats, sink.c());
  Stats out;
  for (const auto& [name, value] : sink.items()) {
    out[name] = static_cast<int64_t>(value);
  }
  return out;
}

class GeminiInvariance : public testing::TestWithParam<const char*> {
 protected:
  static const EngineResult& plain(int world) {
    static std::map<int, EngineResult> known;
    const auto it = known.find(world);
    return it != known.end()
               ? it->second
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
  const auto delayed = [](const std::string& strategy) {
    EngineRun run;
    run.strategy = strategy;
    run.world = 2;
    run.steps = 2;
    run.backend = "delayed";
    return run;
  };
  const EngineResult expected = run_engine(delayed("{ type = \"DDPStrategy\" }"));
  for (const char* keys : {"max_prefetch = 0",
                           "max_prefetch = 1",
                           "max_prefetch = 3, shard_param_frac = 0.5",
                           R"(max_prefetch = 2, placement_policy = "auto")",
                           "max_prefetch = 2, enable_async_reduce = false"}) {
    expect_equal(run_engine(delayed(gemini(keys))), expected, keys);
  }
}

// What comes next may still be on its way out: its gradients are being reduced.
TEST(Gemini, ForesightWhileUnitsAreRecomputedChangesNothing) {
  for (const int chunk : {1, 700, 2000}) {
    EngineRun run = run_of("{ type = \"DDPStrategy\" }", 2);
    run.backend = "gloo";
    run.more = "activation_checkpointing = { type = \"full\" }\n";
    const EngineResult expected = run_engine(run);
    run.strategy = gemini("max_prefetch = 4", chunk);
    expect_equal(run_engine(run), expected, std::to_string(chunk));
  }
}

// Chunks have lost their values to gradients when the second micro-batch begins.
TEST(Gemini, AccumulatesWithAndWithoutMemoryForIt) {
  EngineRun other =
      run_of(R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3 } })", 3);
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

// Large enough for placement to matter: 2.7 MB of fp32 values, in chunks of 0.4 MB.
constexpr const char* kLarger =
    R"(type = "GPT2", vocab_size = 13, n_positions = 7, n_layer = 6, n_head = 3, n_embd = 96, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0)";

EngineRun automatic(int megabytes, const std::string& more = {}) {
  EngineRun run = run_of(
      gemini(R"(placement_policy = "auto", device_memory_mb = )" + std::to_string(megabytes) + more,
             100'000),
      1);
  run.model = kLarger;
  return run;
}

// One rank has the device for itself: what is measured is this run's and nobody else's.
TEST(GeminiAuto, EvictsWhenMemoryIsShortNeverPassesTheCapAndChangesNoBit) {
  EngineRun plain = automatic(1);
  plain.strategy = "SingleDeviceStrategy";
  const EngineResult expected = run_engine(plain);
  int64_t evictions = -1;
  for (const int megabytes : {20, 3}) {
    EngineRun run = automatic(megabytes, ", warmup_non_model_data_ratio = 0.3");
    Stats stats;
    run.finally = [&](train::Session&, train::Engine& engine) { stats = stats_of(engine); };

    expect_equal(run_engine(run), expected, std::to_string(megabytes));

    EXPECT_LE(stats.at("device_bytes"), static_cast<int64_t>(0.9 * megabytes * 1048576));
    EXPECT_GT(stats.at("chunk_evictions"), evictions) << megabytes;  // none; then some
    evictions = stats.at("chunk_evictions");
  }
}

TEST(GeminiAuto, BringsMastersToTheDeviceAsFarAsTheMarginGoes) {
  std::map<std::string, int64_t> on_host;
  for (const std::string margin : {"0.0", "0.5", "1.0"}) {
    EngineRun run = automatic(60, ", gpu_margin_mem_ratio = " + margin);
    run.finally = [&](train::Session&, train::Engine& engine) {
      on_host[margin] = stats_of(engine).at("host_bytes_now");
    };
    run_engine(run);
  }
  EXPECT_GT(on_host.at("0.0"), 0);
  EXPECT_EQ(on_host.at("1.0"), 0);
  EXPECT_LE(on_host.at("0.5"), on_host.at("0.0"));
}

TEST(GeminiAuto, TellsWhenTheDeviceIsTooSmall) {
  EngineRun run = automatic(1);
  std::string error;
  run.on_error = [&](int, const std::exception& e) { error = e.what(); };

  run_engine(run);

  EXPECT_THAT(error, HasSubstr("chunks in use need"));
  EXPECT_THAT(error, HasSubstr("use smaller chunks (min_chunk_size_m, chunk_config_dict)"));
}

// Chunks brought in a step, once the order is known, against the offline choice over the whole iteration.
TEST(Gemini, EvictsAsTheOfflineOptimumOfAStaticGraphDoes) {
  for (const double frac : {0.25, 0.5, 0.75, 1.0}) {
    EngineRun run = run_of(gemini("shard_param_frac = " + std::to_string(frac)), 2);
    int64_t before = 0;
    int64_t in_last_step = 0;
    int64_t foretold = 0;
    run.after_step = [&](train::Session& session, train::Engine& engine, int) {
      if (session.world().rank() == 0) {
        const int64_t gathers = stats_of(engine).at("chunk_gathers");
        in_last_step = gathers - std::exchange(before, gathers);
      }
    };
    run.finally = [&](train::Session& session, train::Engine& engine) {
      if (session.world().rank() != 0) {
        return;
      }
      colossalai::GeminiConfig config;
      config.precision = STRATA_F32;
      config.chunk_config_dict[2] = {700, false};
      const ModelView model{&engine.model().desc()};
      const colossalai::ChunkPlan plan = colossalai::plan_chunks(model, config, 2);
      std::vector<int64_t> sizes;
      int64_t total = 0;
      for (const auto& chunk : plan.chunks) {
        const int64_t whole = 4 * kit::lay_out(model, chunk.params, 2).numel();
        sizes.push_back(whole);
        total += whole;
      }
      const auto gathers =
          colossalai::rehearse(
              model, plan, sizes, static_cast<int64_t>(static_cast<double>(total) * (1 - frac)))
              .gathers;
      foretold = std::accumulate(gathers.begin(), gathers.end(), int64_t{0});
    };
    run_engine(run);

    EXPECT_EQ(in_last_step, foretold) << frac;
    EXPECT_GT(foretold, 0) << frac;
  }
}

// Layers in another order in every second step: nothing is foreseen there, and nothing goes wrong.
TEST(Gemini, FollowsAGraphThatChanges) {
  const auto wayward = [](const std::string& strategy) {
    EngineRun run = run_of(strategy, 2);
    run.model = R"(type = "Wayward")";
    run.batches = [](int64_t first, int64_t) {
      const at::Tensor img = at::arange(120, at::kDouble)
                                 .view({6, 20})
                                 .mul(0.37 + 0.01 * static_cast<double>(first))
                                 .sin();
      return unit::Fields{{"img", img.to(at::kFloat)},
                          {"label", at::arange(6, at::kLong).remainder(5)},
                          {"mode", at::full({}, first / 2 % 2, at::kLong)}};
    };
    return run;
  };
  const EngineResult expected = run_engine(wayward("{ type = \"DDPStrategy\" }"));
  for (const char* keys : {kStatic, "shard_param_frac = 0.5", R"(placement_policy = "auto")"}) {
    expect_equal(run_engine(wayward(gemini(keys, 1))), expected, keys);
  }
}

}  // namespace
}  // namespace strata::test
