// Bytes kept and sent, measured, against the formulas of the field and against the strategies' own estimates.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "border/sinks.hpp"
#include "counting_reader.hpp"
#include "engine_run.hpp"
#include "unit/memory.hpp"

namespace strata::test {
namespace {

constexpr const char* kUntied =
    R"(type = "GPT2", vocab_size = 401, n_positions = 32, n_layer = 4, n_head = 4, n_embd = 128, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0, tie_word_embeddings = false)";

struct Measured {
  double parameters = 0;         // elements
  double root = 0;               // elements that the root owns
  double largest_unit = 0;       // elements
  double largest_parameter = 0;  // elements
  double states = 0;             // bytes that stay
  double peak = 0;               // bytes
  double sent = 0;               // bytes of a step
  strata_estimate estimate{};
};

void look(
    train::Session& session, train::Engine& engine, int world, int accumulation, Measured& out) {
  for (const unit::Unit& u : engine.model().units()) {
    double elements = 0;
    for (const int32_t id : u.params) {
      const auto numel = static_cast<double>(engine.model().param(id).tensor.numel());
      elements += numel;
      out.largest_parameter = std::max(out.largest_parameter, numel);
    }
    out.parameters += elements;
    out.largest_unit = std::max(out.largest_unit, elements);
  }
  const unit::Memory& memory = *session.runtime().memory;
  for (const char* tag : {"param", "shard", "grad", "optim"}) {
    out.states += static_cast<double>(memory.tag(tag).now);
  }
  out.peak =
      out.states + static_cast<double>(memory.tag("unit").peak + memory.tag("unit_grad").peak);
  strata_estimate_args args{};
  args.h = STRATA_HDR(strata_estimate_args);
  args.model = &engine.model().desc();
  args.world_size = world;
  args.optim_state_per_element = 2;
  args.accumulation = accumulation;
  out.estimate.h = STRATA_HDR(strata_estimate);
  engine.strategy().call(&strata_strategy_api::estimate,
                         static_cast<const strata_estimate_args*>(&args),
                         &out.estimate);
}

EngineRun run_of(const std::string& strategy, int world) {
  EngineRun run;
  run.strategy = strategy;
  run.model = kUntied;
  run.world = world;
  run.steps = 3;
  run.optimizer = R"({ type = "AdamW", lr = 1e-4 })";
  run.batches = [](int64_t first, int64_t count) { return token_batches(first, count, 1, 8, 401); };
  return run;
}

Measured measure(const std::string& strategy, int world, int accumulation = 1) {
  Measured out;
  EngineRun run = run_of(strategy, world);
  run.accumulation = accumulation;
  run.initially = [](train::Session& session, train::Engine&) {
    session.runtime().memory->reset_peak();
  };
  run.finally = [&](train::Session& session, train::Engine& engine) {
    if (session.world().rank() == 0) {
      look(session, engine, world, accumulation, out);
    }
  };
  const EngineResult result = run_engine(run);
  out.sent = static_cast<double>(result.bytes_sent.back());
  return out;
}

std::string fsdp(const std::string& sharding) {
  return R"({ type = "FSDPStrategy", model_wrapper = { sharding_strategy = ")" + sharding +
         R"(", auto_wrap_policy = "always_wrap_policy" } })";
}

// Nothing kept beyond need: the formulas' stage 3.
constexpr const char* kZero3 =
    R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3, stage3_param_persistence_threshold = 0, stage3_max_live_parameters = 0, stage3_max_reuse_distance = 0 } })";

std::string zero(int stage) {
  return "{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = " + std::to_string(stage) +
         ", reduce_bucket_size = 60000 } }";
}

struct Case {
  const char* name;
  std::string strategy;
  double whole_bytes;  // of all bytes a parameter: those that every rank holds
  double sent;         // bytes a parameter sent in a step with one micro-batch, times (N - 1) / N
  double sent_micro;   // the same for each further micro-batch
  bool whole_values;   // values are whole for the whole of an iteration
  double bytes = 16;   // a parameter, with Adam
};

// Buckets of 59 978 elements.
std::string low_level_zero(int stage, const std::string& keys) {
  return "{ type = \"ColossalAIStrategy\", plugin = { type = \"LowLevelZeroPlugin\", "
         "reduce_bucket_size_in_m = 0.0572, stage = " +
         std::to_string(stage) + ", " + keys + " } }";
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"Ddp", "{ type = \"DDPStrategy\" }", 16, 8, 0, false},
      {"FullShard", fsdp("FULL_SHARD"), 0, 12, 8, false},
      {"ShardGradOp", fsdp("SHARD_GRAD_OP"), 0, 8, 0, true},
      {"Zero0", zero(0), 16, 8, 0, false},
      {"Zero1", zero(1), 8, 8, 0, false},
      {"Zero2", zero(2), 4, 8, 4, false},
      {"Zero3", kZero3, 0, 12, 12, false},
      {"LowLevelZero1", low_level_zero(1, "precision = \"fp32\""), 8, 8, 0, false},
      {"LowLevelZero2", low_level_zero(2, "precision = \"fp32\""), 4, 8, 4, false},
      {"LowLevelZero1InBf16", low_level_zero(1, "precision = \"bf16\""), 4, 4, 0, false},
      {"LowLevelZero2InBf16", low_level_zero(2, "precision = \"bf16\""), 2, 4, 2, false},
      {"LowLevelZero2OnTheHost",
       low_level_zero(2, "precision = \"bf16\", cpu_offload = true"),
       2,
       4,
       2,
       false},
      {"LowLevelZero2WithoutMasters",
       low_level_zero(2, "precision = \"bf16\", master_weights = false"),
       2,
       4,
       2,
       false,
       12},
  };
  return all;
}

class Bytes : public testing::TestWithParam<std::tuple<size_t, int>> {
 protected:
  [[nodiscard]] static const Case& mode() { return cases().at(std::get<0>(GetParam())); }

  [[nodiscard]] static int world() { return std::get<1>(GetParam()); }
};

TEST_P(Bytes, OfStatesAndTrafficAreThoseOfTheFormulas) {
  const double n = world();

  const Measured m = measure(mode().strategy, world());

  const double states =
      m.parameters * (mode().whole_bytes + (mode().bytes - mode().whole_bytes) / n);
  EXPECT_NEAR(m.states, states, 0.01 * states);
  const double units = 2 * 4 * m.largest_unit + (mode().whole_values ? 4 * m.parameters : 0);
  EXPECT_LE(m.peak, states + units + 0.01 * states);
  const double sent = m.parameters * mode().sent * (n - 1) / n;
  EXPECT_NEAR(m.sent, sent, 0.01 * sent);
}

TEST_P(Bytes, OfAWindowOfThreeAreThoseOfTheFormulas) {
  const double n = world();

  const Measured m = measure(mode().strategy, world(), 3);

  const double sent = m.parameters * (mode().sent + 2 * mode().sent_micro) * (n - 1) / n;
  EXPECT_NEAR(m.sent, sent, 0.01 * sent);
}

TEST_P(Bytes, AreWhatTheStrategyEstimates) {
  const Measured m = measure(mode().strategy, world());

  const strata_estimate& e = m.estimate;
  const auto states = static_cast<double>(e.param_bytes + e.grad_bytes + e.optim_bytes);
  EXPECT_NEAR(states, m.states, 0.05 * m.states);
  EXPECT_NEAR(states + static_cast<double>(e.unit_bytes), m.peak, 0.05 * m.peak);
  EXPECT_NEAR(static_cast<double>(e.sent_bytes_per_step), m.sent, 0.05 * m.sent);
}

// Masters, states and the gradients of the update, 16 of 18 bytes a parameter while it runs, are the host's.
TEST(BytesOfPools, AreTheUpdatesInTheHosts) {
  std::map<std::string, double> stats;
  EngineRun run = run_of(low_level_zero(2, "precision = \"bf16\", cpu_offload = true"), 2);
  double parameters = 0;
  run.finally = [&](train::Session& session, train::Engine& engine) {
    if (session.world().rank() != 0) {
      return;
    }
    for (const unit::Param& p : engine.model().params()) {
      parameters += static_cast<double>(p.tensor.numel());
    }
    const border::NumberSink sink;
    engine.strategy().call(&strata_strategy_api::stats, sink.c());
    stats.insert(sink.items().begin(), sink.items().end());
  };

  run_engine(run);

  EXPECT_NEAR(stats.at("host_bytes"), 16 * parameters / 2, 0.01 * 16 * parameters / 2);
  const double bucket = 2 * 65536.0;  // of the largest; two are under way and two are being filled
  EXPECT_LE(stats.at("device_bytes"), (2 + 2.0 / 2) * parameters + 4 * bucket);
  // In each of three steps a gradient goes to the host and a value comes from it.
  EXPECT_NEAR(stats.at("moved_bytes"), 3 * 4 * parameters / 2, 0.01 * 3 * 4 * parameters / 2);
}

INSTANTIATE_TEST_SUITE_P(Modes,
                         Bytes,
                         testing::Combine(testing::Range<size_t>(0, cases().size()),
                                          testing::Values(2, 4)),
                         [](const auto& p) {
                           return std::string(cases().at(std::get<0>(p.param)).name) + "On" +
                                  std::to_string(std::get<1>(p.param));
                         });

// Chunks of so many elements. One: each parameter has its own, so chunks in use are those of the unit in use.
std::string gemini(const std::string& precision, int chunk, const std::string& more = {}) {
  const std::string size = " = { chunk_size = " + std::to_string(chunk) + " }";
  return R"({ type = "ColossalAIStrategy", plugin = { type = "GeminiPlugin", precision = ")" +
         precision + "\", chunk_config_dict = { 2" + size + ", 4" + size + " }" + more + " } }";
}

TEST(BytesOfGemini, AreFourteenAParameterAndTheChunksInUse) {
  for (const int world : {2, 4}) {
    const Measured m = measure(gemini("bf16", 1), world);

    const double states = 14 * m.parameters / world;
    EXPECT_NEAR(m.states, states, 0.01 * states);
    EXPECT_NEAR(m.peak, states + 2 * m.largest_unit, 0.01 * states);
  }
}

TEST(BytesOfGemini, DoNotGrowInAWindowUnlessTheyMay) {
  const Measured plain = measure(gemini("bf16", 1), 2);
  const Measured window = measure(gemini("bf16", 1), 2, 3);
  const Measured beside = measure(gemini("bf16", 1, ", enable_gradient_accumulation = true"), 2, 3);

  EXPECT_EQ(window.states, plain.states);
  EXPECT_EQ(window.peak, plain.peak);
  EXPECT_NEAR(beside.states, 14 * plain.parameters / 2, 0.01 * plain.states);  // after an update
}

TEST(BytesOfGemini, AreWhatTheStrategyEstimates) {
  for (const std::string& strategy :
       {gemini("bf16", 1),
        gemini("bf16", 60'000),
        gemini("fp32", 200'000),
        gemini("bf16", 60'000, ", shard_param_frac = 0.5"),
        gemini("bf16", 60'000, ", shard_param_frac = 0.0"),
        gemini("bf16", 60'000, ", offload_optim_frac = 1.0, offload_param_frac = 1.0")}) {
    const Measured m = measure(strategy, 2);

    const strata_estimate& e = m.estimate;
    const auto states = static_cast<double>(e.param_bytes + e.grad_bytes + e.optim_bytes);
    EXPECT_NEAR(states, m.states, 0.05 * m.states) << strategy;
    EXPECT_NEAR(states + static_cast<double>(e.unit_bytes), m.peak, 0.05 * m.peak) << strategy;
    EXPECT_NEAR(static_cast<double>(e.sent_bytes_per_step), m.sent, 0.05 * m.sent) << strategy;
  }
}

// A run on four ranks that ends when the model is filled.
struct Building {
  explicit Building(const std::string& strategy) {
    run.strategy = strategy;
    run.model = kUntied;
    run.world = 4;
    run.steps = 0;
    run.initially = [this](train::Session& session, train::Engine& engine) {
      if (session.world().rank() == 0) {
        const unit::Memory& memory = *session.runtime().memory;
        peak = static_cast<double>(memory.tag("unit").peak + memory.tag("shard").peak +
                                   memory.tag("param").peak);
        look(session, engine, 4, 1, m);
      }
    };
  }

  EngineRun run;
  double peak = 0;  // bytes of rank 0
  Measured m;
};

struct Sharded {
  std::string strategy;
  double bytes;  // of values, for each parameter of a shard
};

// The first has one unit, the whole model; the others have the smallest units. Gemini keeps values beside masters.
const std::vector<Sharded>& fully_sharded() {
  static const std::vector<Sharded> all = {{"{ type = \"FSDPStrategy\" }", 4},
                                           {fsdp("FULL_SHARD"), 4},
                                           {std::string(kZero3), 4},
                                           {gemini("fp32", 1), 8}};
  return all;
}

// Building and filling the model never needs more than the own shard and the parameter that is being drawn.
TEST(BytesOfBuilding, AreTheShardAndOneParameter) {
  for (const auto& [strategy, bytes] : fully_sharded()) {
    Building b(strategy);  // NOLINT(misc-const-correctness): the run writes its peak

    run_engine(b.run);

    EXPECT_LE(b.peak, bytes * b.m.parameters / 4 * 1.01 + 4 * b.m.largest_parameter) << strategy;
  }
}

// Other than the initial ones, for the model of kUntied.
std::map<std::string, at::Tensor> trained_weights() {
  EngineRun run;
  run.model = kUntied;
  run.steps = 1;
  run.batches = [](int64_t first, int64_t count) { return token_batches(first, count, 1, 8, 401); };
  return run_engine(run).weights;
}

TEST(BytesOfLoading, AreTheShardAndTheSlicesOfItAlone) {
  const auto stored = trained_weights();
  for (const auto& [strategy, bytes] : fully_sharded()) {
    std::vector<CountingReader::Counts> counts(4);
    Building b(strategy);
    b.run.stored = [&](int rank) {
      return std::make_unique<CountingReader>(stored, counts.at(static_cast<size_t>(rank)));
    };

    const EngineResult result = run_engine(b.run);

    const double shard = b.m.parameters / 4;
    EXPECT_LE(b.peak, bytes * shard * 1.01) << strategy;
    int64_t read = 0;
    for (const CountingReader::Counts& c : counts) {
      EXPECT_LE(static_cast<double>(c.bytes), 4 * shard * 1.01) << strategy;
      EXPECT_LE(static_cast<double>(c.largest), 4 * b.m.largest_parameter) << strategy;
      read += c.bytes;
    }
    EXPECT_EQ(read, static_cast<int64_t>(4 * b.m.parameters)) << strategy;
    for (const auto& [name, value] : stored) {
      EXPECT_TRUE(at::equal(value, result.weights.at(name))) << strategy << ": " << name;
    }
  }
}

// DeepSpeed's own defaults: small parameters stay, and so does what is used again soon.
TEST(BytesOfDefaults, OfStage3AreWhatTheStrategyEstimates) {
  const Measured m =
      measure("{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = 3 } }", 2);

  const strata_estimate& e = m.estimate;
  const auto states = static_cast<double>(e.param_bytes + e.grad_bytes + e.optim_bytes);
  EXPECT_NEAR(states, m.states, 0.05 * m.states);
  EXPECT_NEAR(states + static_cast<double>(e.unit_bytes), m.peak, 0.05 * m.peak);
  EXPECT_NEAR(static_cast<double>(e.sent_bytes_per_step), m.sent, 0.05 * m.sent);
}

}  // namespace
}  // namespace strata::test
