// bf16 and fp16 under sharding strategies, and accumulation, against an emulation in plain LibTorch that casts at the same points: masters
// in fp32, forward and backward in half precision, gradients cast to fp32 one by one and added in rank order.
#include <cmath>
#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

constexpr int kWorld = 2;
constexpr int kSteps = 10;
constexpr double kLr =
    0.125;  // a power of two: lr * g is exact, so is the emulation's order of operations

const std::vector<std::string>& layers() {
  static const std::vector<std::string> names = {"fc1", "fc2", "head"};
  return names;
}

using Weights = std::map<std::string, at::Tensor>;

EngineRun run_of(const std::string& strategy, int world) {
  EngineRun run;
  run.strategy = strategy;
  run.world = world;
  run.steps = kSteps;
  run.optimizer = "{ type = \"SGD\", lr = 0.125 }";
  return run;
}

Weights initial_weights() {
  EngineRun run = run_of("SingleDeviceStrategy", 1);
  run.steps = 0;
  return run_engine(run).weights;
}

// The batch that run_engine makes for micro-batch m.
struct Batch {
  at::Tensor img;
  at::Tensor label;
};

std::vector<Batch> seen_batches() {
  std::vector<Batch> out;
  for (int64_t m = 0; m < int64_t{kSteps} * kWorld; ++m) {
    const at::Tensor rows =
        at::arange(6 * 20, at::kDouble).add(static_cast<double>(m) * 131).mul(0.7).sin();
    out.push_back(
        {rows.view({6, 20}).to(at::kFloat), at::arange(m, m + 6, at::kLong).remainder(5)});
  }
  return out;
}

unit::Fields batches(int64_t first, int64_t) {
  static const std::vector<Batch> all = seen_batches();
  const Batch& b = all.at(static_cast<size_t>(first));
  return {{"img", b.img}, {"label", b.label}};
}

// How a step is made of micro-batches, and in which order their gradients are added.
struct Window {
  at::ScalarType dtype = at::kFloat;
  int micros = 1;  // of each rank
  bool ranks_first =
      false;  // ranks in each micro-batch, then micro-batches; else each rank its own first
  at::ScalarType sums = at::kFloat;  // gradients are added in fp32 and kept in it
};

struct Micro {
  double loss = 0;
  Weights grads;  // in fp32
};

Micro emulate(const Weights& masters, const Window& window, const unit::Fields& batch) {
  Weights leaves;
  for (const auto& [name, master] : masters) {
    leaves[name] = master.to(window.dtype, /*non_blocking=*/false, /*copy=*/true).requires_grad_();
  }
  at::Tensor x = batch[0].second.to(window.dtype);
  for (const std::string& layer : layers()) {
    x = at::linear(
        layer == "fc1" ? x : at::gelu(x), leaves.at(layer + ".weight"), leaves.at(layer + ".bias"));
  }
  const at::Tensor loss = at::cross_entropy_loss(x.to(at::kFloat), batch[1].second);
  const double factor = 1.0 / window.micros / kWorld;
  torch::autograd::backward({loss}, {at::full({}, factor, at::kFloat)});
  Micro out{loss.item<double>(), {}};
  for (const auto& [name, leaf] : leaves) {
    out.grads[name] = leaf.grad().to(at::kFloat);
  }
  return out;
}

void add_to(Weights& sums, const Weights& grads, at::ScalarType kept) {
  for (const auto& [name, grad] : grads) {
    sums[name] = sums.count(name) == 0 ? grad : (sums.at(name) + grad).to(kept).to(at::kFloat);
  }
}

// micros: of one step, rank by rank.
Weights sum_of(const std::vector<Micro>& micros, const Window& window) {
  const int outer = window.ranks_first ? window.micros : kWorld;
  const int inner = window.ranks_first ? kWorld : window.micros;
  Weights sums;
  for (int i = 0; i < outer; ++i) {
    Weights part;
    for (int j = 0; j < inner; ++j) {
      const int place = window.ranks_first ? j * window.micros + i : i * window.micros + j;
      add_to(part, micros[static_cast<size_t>(place)].grads, window.sums);
    }
    add_to(sums, part, window.sums);
  }
  return sums;
}

// One rank that computes all micro-batches of all ranks.
std::vector<std::vector<double>> emulated_losses(const Window& window) {
  Weights masters = initial_weights();
  std::vector<std::vector<double>> losses;
  for (int step = 0; step < kSteps / window.micros; ++step) {
    std::vector<Micro> micros;
    losses.emplace_back();
    for (int place = 0; place < kWorld * window.micros; ++place) {
      micros.push_back(emulate(masters, window, batches(step * kWorld * window.micros + place, 1)));
      losses.back().push_back(micros.back().loss);
    }
    const Weights sums = sum_of(micros, window);
    for (auto& [name, master] : masters) {
      master = master - sums.at(name) * kLr;
    }
  }
  return losses;
}

std::string fsdp(const std::string& dtype) {
  return R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy", mixed_precision = { param_dtype = ")" +
         dtype + "\" } } }";
}

std::string zero(int stage, const std::string& dtype) {
  return "{ type = \"DeepSpeedStrategy\", inputs_to_half = [0], " +
         std::string(dtype == "float16" ? "fp16" : "bf16") +
         " = { enabled = true }, zero_optimization = { stage = " + std::to_string(stage) + " } }";
}

// ColossalAI keeps gradients in the parameters' type.
std::string low_level_zero(int stage, const std::string& dtype, const std::string& more = {}) {
  return R"({ type = "ColossalAIStrategy", plugin = { type = "LowLevelZeroPlugin", precision = ")" +
         std::string(dtype == "float16" ? "fp16" : "bf16") +
         "\", stage = " + std::to_string(stage) + more + " } }";
}

std::string gemini(const std::string& dtype, const std::string& more = {}) {
  return R"({ type = "ColossalAIStrategy", plugin = { type = "GeminiPlugin", precision = ")" +
         std::string(dtype == "float16" ? "fp16" : "bf16") +
         "\", chunk_config_dict = { 2 = { chunk_size = 700 } }" + more + " } }";
}

at::ScalarType half_type(const std::string& name) {
  return name == "float16" ? at::kHalf : at::kBFloat16;
}

class MixedPrecision : public testing::TestWithParam<const char*> {};

TEST_P(MixedPrecision, EqualsTheEmulationToTheBit) {
  const std::string dtype = GetParam();
  const auto expected = emulated_losses({.dtype = dtype == "float16" ? at::kHalf : at::kBFloat16});

  for (const std::string& strategy :
       {fsdp(dtype), zero(0, dtype), zero(1, dtype), zero(2, dtype), zero(3, dtype)}) {
    EngineRun run = run_of(strategy, kWorld);
    run.batches = batches;
    EXPECT_EQ(run_engine(run).losses, expected) << strategy;
  }
}

TEST_P(MixedPrecision, OnOneRankHasMastersOfItsOwn) {
  const std::string dtype = GetParam();
  EngineRun run = run_of(fsdp(dtype), 1);
  run.accumulation = kWorld;
  run.batches = batches;
  EngineRun other = run;
  other.strategy = zero(3, dtype);

  EXPECT_EQ(run_engine(run).losses, run_engine(other).losses);
}

TEST_P(MixedPrecision, OfColossalAIEqualsTheEmulationThatKeepsGradientsInHalf) {
  const std::string dtype = GetParam();
  const at::ScalarType half = half_type(dtype);
  const auto expected = emulated_losses({.dtype = half, .sums = half});

  for (const std::string& strategy :
       {low_level_zero(1, dtype),
        low_level_zero(2, dtype),
        low_level_zero(1, dtype, ", overlap_allgather = true, reduce_bucket_size_in_m = 0.0007"),
        low_level_zero(2, dtype, ", cpu_offload = true, overlap_communication = false"),
        gemini(dtype),
        gemini(dtype, ", shard_param_frac = 0.5, max_prefetch = 1"),
        gemini(dtype, ", offload_optim_frac = 1.0, offload_param_frac = 1.0"),
        gemini(dtype, ", placement_policy = \"auto\"")}) {
    EngineRun run = run_of(strategy, kWorld);
    run.batches = batches;
    EXPECT_EQ(run_engine(run).losses, expected) << strategy;
  }
}

TEST_P(MixedPrecision, OfLowLevelZeroAddsWindowsInHalf) {
  const std::string dtype = GetParam();
  const at::ScalarType half = half_type(dtype);
  for (const int stage : {1, 2}) {
    const auto expected =
        emulated_losses({.dtype = half, .micros = 3, .ranks_first = stage == 2, .sums = half});
    EngineRun run = run_of(low_level_zero(stage, dtype), kWorld);
    run.batches = batches;
    run.accumulation = 3;
    run.steps = kSteps / 3;
    EXPECT_EQ(run_engine(run).losses, expected) << stage;
  }
}

// Half gradients that travel and are kept in fp32 are DeepSpeed's.
TEST_P(MixedPrecision, OfLowLevelZeroMayReduceInFp32) {
  const std::string dtype = GetParam();
  const auto expected = emulated_losses({.dtype = half_type(dtype)});

  EngineRun run = run_of(low_level_zero(1, dtype, ", communication_dtype = \"fp32\""), kWorld);
  run.batches = batches;

  EXPECT_EQ(run_engine(run).losses, expected);
}

// Autocast leaves parameters in fp32; sharding them changes nothing.
TEST_P(MixedPrecision, ByAutocastIsTheSameUnderEveryStrategy) {
  EngineRun run = run_of("DDPStrategy", kWorld);
  run.batches = batches;
  run.wrapper_type = "AmpOptimWrapper";
  run.wrapper = std::string("dtype = \"") + GetParam() + "\"\n";
  const EngineResult expected = run_engine(run);
  for (const char* strategy :
       {R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy" } })",
        R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 2 } })",
        R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3 } })"}) {
    run.strategy = strategy;
    EXPECT_EQ(run_engine(run).losses, expected.losses) << strategy;
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes,
                         MixedPrecision,
                         testing::Values("bfloat16", "float16"),
                         [](const auto& p) { return std::string(p.param); });

// Accumulation in fp32, to the bit, in both orders that strategies add in.
TEST(Accumulation, EqualsOneRankThatAddsTheSameGradientsInTheSameOrder) {
  const std::string wrap =
      R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy")";
  const auto stage = [](int number) {
    return "{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = " +
           std::to_string(number) + " } }";
  };
  const std::map<bool, std::vector<std::string>> strategies = {
      {false,
       {"{ type = \"DDPStrategy\" }",
        wrap + " } }",
        stage(0),
        stage(1),
        colossalai("LowLevelZeroPlugin", "stage = 1")}},
      {true,
       {wrap + ", no_sync = false } }",
        stage(2),
        stage(3),
        colossalai("LowLevelZeroPlugin", "stage = 2")}}};
  for (const auto& [ranks_first, same_order] : strategies) {
    const auto expected = emulated_losses({.micros = 3, .ranks_first = ranks_first});
    for (const std::string& strategy : same_order) {
      EngineRun run = run_of(strategy, kWorld);
      run.batches = batches;
      run.accumulation = 3;
      run.steps = kSteps / 3;
      EXPECT_EQ(run_engine(run).losses, expected) << strategy;
    }
  }
}

// What the optimizer updates, as both ranks have it: masters where there are any.
void copy_values(train::Session& session, train::Engine& engine, Weights& out) {
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  engine.updater()->for_each_value([&](const optim::StateSlice& s) {
    const at::Tensor values =
        at::from_blob(s.data,
                      {s.count},
                      at::TensorOptions().dtype(s.dtype == STRATA_F32 ? at::kFloat : at::kDouble));
    out[text(s.param, '+', s.param_offset, " of ", session.world().rank())] =
        values.to(at::kDouble, false, true);
  });
}

// The update of one step with clipping, for a loss times 10^k.
Weights clipped_update(const std::string& strategy, int k) {
  Weights before;
  Weights after;
  EngineRun run = run_of(strategy, kWorld);
  run.model = "type = \"Wayward\"";
  run.steps = 1;
  run.initially = [&](train::Session& s, train::Engine& e) { copy_values(s, e, before); };
  run.finally = [&](train::Session& s, train::Engine& e) { copy_values(s, e, after); };
  run.wrapper_type = "ColossalAIOptimWrapper";
  run.wrapper = "max_norm = 0.125\n";
  run.batches = [k](int64_t first, int64_t count) {
    unit::Fields fields = batches(first, count);
    fields.emplace_back("factor", at::full({}, std::pow(10.0, k), at::kFloat));
    return fields;
  };
  run_engine(run);
  for (auto& [name, value] : after) {
    value = value - before.at(name);
  }
  return after;
}

double norm_of(const Weights& weights) {
  double squares = 0;
  for (const auto& [name, w] : weights) {
    squares += w.to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(squares);
}

double distance(const Weights& a, const Weights& b) {
  Weights difference;
  for (const auto& [name, w] : a) {
    difference[name] = w.to(at::kDouble) - b.at(name).to(at::kDouble);
  }
  return norm_of(difference) / norm_of(b);
}

struct Clipping {
  const char* name;
  std::string strategy;
  int largest;       // power of ten that gradients survive in their type
  double tolerance;  // of the type's rounding of a gradient times 10^k
};

class ClippedUpdate : public testing::TestWithParam<Clipping> {};

// The original's clipping has no effect on bf16 gradients in host memory.
TEST_P(ClippedUpdate, IsTheSameHoweverLargeTheGradients) {
  const Clipping& c = GetParam();
  const Weights plain = clipped_update(c.strategy, 1);

  EXPECT_NEAR(norm_of(plain), kLr * 0.125, 0.02 * kLr * 0.125);
  for (int k = 2; k <= c.largest; ++k) {
    EXPECT_LT(distance(clipped_update(c.strategy, k), plain), c.tolerance) << "10^" << k;
  }
}

std::vector<Clipping> clippings() {
  const auto exact = [](const std::string& plugin, const std::string& keys) {
    return colossalai(plugin, keys);
  };
  const std::string offloaded = "offload_optim_frac = 1.0, offload_param_frac = 1.0";
  const std::string chunks = "chunk_config_dict = { 2 = { chunk_size = 700 } }, ";
  return {{"ZeroInFp32", exact("LowLevelZeroPlugin", "stage = 2"), 8, 1e-5},
          {"ZeroInFp32OnTheHost",
           exact("LowLevelZeroPlugin", "stage = 1, cpu_offload = true"),
           8,
           1e-5},
          {"GeminiInFp32", exact("GeminiPlugin", chunks + "shard_param_frac = 0.5"), 8, 1e-5},
          {"GeminiInFp32OnTheHost", exact("GeminiPlugin", chunks + offloaded), 8, 1e-5},
          {"ZeroInBf16", low_level_zero(2, "bfloat16"), 8, 0.02},
          {"ZeroInBf16OnTheHost", low_level_zero(1, "bfloat16", ", cpu_offload = true"), 8, 0.02},
          {"ZeroInFp16", low_level_zero(2, "float16"), 4, 0.002},
          {"GeminiInBf16", gemini("bfloat16"), 8, 0.02},
          {"GeminiInBf16OnTheHost", gemini("bfloat16", ", " + offloaded), 8, 0.02},
          {"GeminiInFp16", gemini("float16"), 4, 0.002}};
}

INSTANTIATE_TEST_SUITE_P(Pools, ClippedUpdate, testing::ValuesIn(clippings()), [](const auto& p) {
  return std::string(p.param.name);
});

// Gradients of rank 1 alone overflow in step 3. Whoever holds the shards where they do, all ranks leave the update out and
// halve the scale; were it not so, losses would differ from then on or be NaN.
TEST(LossScale, OfAnOverflowOnOneRankSkipsTheUpdateOnAll) {
  EngineRun run = run_of("DDPStrategy", kWorld);
  run.batches = [](int64_t first, int64_t count) {
    unit::Fields fields = batches(first, count);
    if (first == 3 * kWorld + 1) {
      fields[0].second = fields[0].second * 3e4F;
    }
    return fields;
  };
  run.wrapper_type = "AmpOptimWrapper";
  run.wrapper = "dtype = \"float16\"\nloss_scale = { init_scale = 1024.0 }\n";
  const EngineResult expected = run_engine(run);
  for (const auto& losses : expected.losses) {
    EXPECT_FALSE(std::isnan(losses[0]) && losses != expected.losses[3]);
  }
  for (
      const std::string& strategy :
      {std::string(
           R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy" } })"),
       std::string(R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 1 } })"),
       std::string(R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3 } })"),
       colossalai("LowLevelZeroPlugin", "stage = 2"),
       colossalai("GeminiPlugin", "chunk_config_dict = { 2 = { chunk_size = 700 } }")}) {
    run.strategy = strategy;
    EXPECT_EQ(run_engine(run).losses, expected.losses) << strategy;
  }
}

// An overflow in the first micro-batch of a window leaves nothing behind: the second one still comes, the update does not.
TEST(LossScale, OfAnOverflowInsideAWindowLeavesNoGradients) {
  EngineRun run =
      run_of("{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = 3 } }", kWorld);
  run.accumulation = 2;
  run.steps = kSteps / 2;
  run.batches = [](int64_t first, int64_t count) {
    unit::Fields fields = batches(first, count);
    if (first == int64_t{kWorld} * 2) {
      fields[0].second = fields[0].second * 3e4F;
    }
    return fields;
  };
  run.wrapper_type = "AmpOptimWrapper";
  run.wrapper = "dtype = \"float16\"\nloss_scale = { init_scale = 1024.0 }\n";
  const EngineResult expected = run_engine(run);
  for (const char* more :
       {"", ", enable_gradient_accumulation = true", ", shard_param_frac = 0.0"}) {
    run.strategy = colossalai(
        "GeminiPlugin", std::string("chunk_config_dict = { 2 = { chunk_size = 700 } }") + more);
    EXPECT_EQ(run_engine(run).losses, expected.losses) << more;
  }
}

}  // namespace
}  // namespace strata::test
