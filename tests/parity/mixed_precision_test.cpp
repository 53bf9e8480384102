// bf16 and fp16 under sharding strategies, and accumulation, against an emulation in plain LibTorch that casts at the same points: masters
// in fp32, forward and backward in half precision, gradients cast to fp32 one by one and added in rank order.
#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "half_runs.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

const std::vector<std::string>& layers() {
  static const std::vector<std::string> names = {"fc1", "fc2", "head"};
  return names;
}

Weights initial_weights() {
  EngineRun run = run_of("SingleDeviceStrategy", 1);
  run.steps = 0;
  return run_engine(run).weights;
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
  return "{ type = \"DeepSpeedStrategy\", inputs_to_half = [0], " + precision_of(dtype) +
         " = { enabled = true }, zero_optimization = { stage = " + std::to_string(stage) + " } }";
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

}  // namespace
}  // namespace strata::test
