// What goes wrong under a sharding strategy ends with its name, and what went wrong once leaves no trace.
#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"

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

enum Mode : int64_t {
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

class Failures : public testing::TestWithParam<const char*> {};

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
  const EngineResult fresh = run_engine(wayward(GetParam(), 2));
  for (const int64_t mode : {kFailsInForward, kFailsInBackward}) {
    EngineRun run = wayward(GetParam(), 2);
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
                         testing::Values(kFsdp, kZero2, kZero3),
                         [](const auto& p) {
                           return p.index == 0 ? "Fsdp" : p.index == 1 ? "Zero2" : "Zero3";
                         });

class Gathered : public testing::TestWithParam<const char*> {};

TEST_P(Gathered, UnitsInAnotherOrderOnOneRankAreReportedByName) {
  EngineRun run = wayward(GetParam(), 2);
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
  EngineRun run = wayward(GetParam(), 2);
  run.batches = [](int64_t first, int64_t) { return batch(first, kOutsideItsUnit); };

  const auto errors = errors_of(run);

  ASSERT_EQ(errors.size(), 2U);
  for (const auto& [rank, error] : errors) {
    EXPECT_THAT(error, AllOf(HasSubstr("right.weight"), HasSubstr("unit \"right\"")))
        << "rank " << rank;
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, Gathered, testing::Values(kFsdp, kZero3), [](const auto& p) {
  return p.index == 0 ? "Fsdp" : "Zero3";
});

}  // namespace
}  // namespace strata::test
