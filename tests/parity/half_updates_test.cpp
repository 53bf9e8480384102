// Clipping and the loss scale in half precision: what an update is, and when it is left out.
#include <cmath>
#include <mutex>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "half_runs.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

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
