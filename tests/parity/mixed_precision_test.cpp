// bf16 and fp16 under sharding strategies, and accumulation, against an emulation in plain LibTorch that casts at the same points: masters
// in fp32, forward and backward in half precision, gradients cast to fp32 one by one and added in rank order.
#include <cmath>
#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine_run.hpp"

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
  for (int64_t m = 0; m < kSteps * kWorld; ++m) {
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

void add_to(Weights& sums, const Weights& grads) {
  for (const auto& [name, grad] : grads) {
    sums[name] = sums.count(name) == 0 ? grad : sums.at(name) + grad;
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
      add_to(part, micros[static_cast<size_t>(place)].grads);
    }
    add_to(sums, part);
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
      {false, {"{ type = \"DDPStrategy\" }", wrap + " } }", stage(0), stage(1)}},
      {true, {wrap + ", no_sync = false } }", stage(2), stage(3)}}};
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
       std::string(R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3 } })")}) {
    run.strategy = strategy;
    EXPECT_EQ(run_engine(run).losses, expected.losses) << strategy;
  }
}

}  // namespace
}  // namespace strata::test
