// What goes wrong under a sharding strategy ends with its name, and what went wrong once leaves no trace.
#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kFsdp =
    R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy" } })";
constexpr const char* kZero2 =
    R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 2 } })";
constexpr const char* kZero3 =
    R"({ type = "DeepSpeedStrategy", zero_optimization = { stage = 3, stage3_param_persistence_threshold = 0 } })";

const std::string& low_level_zero() {
  static const std::string text =
      colossalai("LowLevelZeroPlugin",
                 "stage = 2, overlap_allgather = true, reduce_bucket_size_in_m = 0.0002");
  return text;
}

// A parameter in each chunk: what two layers of one size exchange looks alike.
const std::string& gemini() {
  static const std::string text = colossalai(
      "GeminiPlugin", "max_prefetch = 1, chunk_config_dict = { 2 = { chunk_size = 1 } }");
  return text;
}

enum Misuse : int64_t {
  kGood = 0,
  kOtherOrder = 1,
  kOutsideItsUnit = 2,
  kFailsInForward = 3,
  kFailsInBackward = 4
};

unit::Fields batch(int64_t first, int64_t mode) {
  const at::Tensor img = at::arange(6 * 20, at::kDouble)
                             .view({6, 20})
                             .mul(0.37 + 0.01 * static_cast<double>(first))
                             .sin();
  return {{"img", img.to(at::kFloat)},
          {"label", at::arange(6, at::kLong).remainder(5)},
          {"mode", at::full({}, mode, at::kLong)}};
}

EngineRun wayward(const std::string& strategy, int world) {
  EngineRun run;
  run.strategy = strategy;
  run.model = R"(type = "Wayward")";
  run.world = world;
  run.steps = 4;
  run.batches = [](int64_t first, int64_t) { return batch(first, kGood); };
  return run;
}

struct Tried {
  const char* name;
  std::string strategy;
};

std::string name_of(const testing::TestParamInfo<Tried>& info) {
  return info.param.name;
}

class Failures : public testing::TestWithParam<Tried> {};

// The error of each rank when micro-batches of one rank, or of all, misbehave.
std::map<int, std::string> errors_of(EngineRun run) {
  std::map<int, std::string> errors;
  std::mutex mutex;
  run.on_error = [&](int rank, const std::exception& e) {
    const std::scoped_lock lock(mutex);
    errors[rank] = e.what();
  };
  run_engine(run);
  return errors;
}

TEST_P(Failures, InForwardAndBackwardLeaveNoTrace) {
  const EngineResult fresh = run_engine(wayward(GetParam().strategy, 2));
  for (const int64_t mode : {kFailsInForward, kFailsInBackward}) {
    EngineRun run = wayward(GetParam().strategy, 2);
    run.initially = [mode](train::Session&, train::Engine& engine) {
      engine.begin(0, 0);
      EXPECT_ANY_THROW(engine.stepper().train(batch(7, mode), 0, 0));
    };

    const EngineResult after = run_engine(run);

    EXPECT_EQ(after.losses, fresh.losses) << "mode " << mode;
    for (const auto& [name, weight] : fresh.weights) {
      EXPECT_TRUE(at::equal(weight, after.weights.at(name))) << name << ", mode " << mode;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies,
                         Failures,
                         testing::Values(Tried{"Fsdp", kFsdp},
                                         Tried{"Zero2", kZero2},
                                         Tried{"Zero3", kZero3},
                                         Tried{"ExampleZero1", "Zero1Strategy"},
                                         Tried{"LowLevelZero2", low_level_zero()},
                                         Tried{"Gemini", gemini()}),
                         name_of);

class Gathered : public testing::TestWithParam<Tried> {};

TEST_P(Gathered, UnitsInAnotherOrderOnOneRankAreReportedByName) {
  EngineRun run = wayward(GetParam().strategy, 2);
  run.model = R"(type = "Wayward")";
  // Micro-batch m belongs to rank m mod 2: rank 1 runs its layers the other way round.
  run.batches = [](int64_t first, int64_t) {
    return batch(first, first % 2 == 1 ? kOtherOrder : kGood);
  };

  const auto errors = errors_of(run);

  ASSERT_EQ(errors.size(), 2U);
  for (const auto& [rank, error] : errors) {
    EXPECT_THAT(error,
                AllOf(HasSubstr("unit \"left\" on rank 0"), HasSubstr("unit \"right\" on rank 1")));
  }
}

TEST_P(Gathered, AParameterUsedOutsideItsUnitIsNamedWithItsUnit) {
  EngineRun run = wayward(GetParam().strategy, 2);
  run.batches = [](int64_t first, int64_t) { return batch(first, kOutsideItsUnit); };

  const auto errors = errors_of(run);

  ASSERT_EQ(errors.size(), 2U);
  for (const auto& [rank, error] : errors) {
    EXPECT_THAT(error, AllOf(HasSubstr("right.weight"), HasSubstr("unit \"right\"")))
        << "rank " << rank;
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies,
                         Gathered,
                         testing::Values(Tried{"Fsdp", kFsdp},
                                         Tried{"Zero3", kZero3},
                                         Tried{"Gemini", gemini()}),
                         name_of);

}  // namespace
}  // namespace strata::test
