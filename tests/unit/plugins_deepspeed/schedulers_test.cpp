// DeepSpeed's schedules under the host's Schedulers, against numbers that DeepSpeed 0.19.8 printed.
#include "optim/schedulers.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/services.h"

#include "optim_host.hpp"

namespace strata::test {
namespace {

using optim::Hyper;
using optim::HyperTable;
using optim::RunLength;
using optim::Schedulers;
using testing::HasSubstr;

constexpr RunLength kTenIters{false, 0, 10, 5};

/// Schedules over Adam's hyper-parameters.
struct Training {
  explicit Training(const std::string& keys,
                    double lr = 1,
                    const RunLength& length = kTenIters,
                    std::vector<std::vector<double>> groups = {})
      : table(adam_hypers(lr),
              groups.empty() ? std::vector<std::vector<double>>{{lr, 0.9, 0.999}} : groups),
        config(config::parse_toml("[param_scheduler]\n" + keys, "test.toml")),
        schedulers(config.child("param_scheduler"), factory(), table, length) {}

  static std::vector<Hyper> adam_hypers(double lr) {
    return {
        {"lr", lr, STRATA_HYPER_LR}, {"beta1", 0.9, STRATA_HYPER_MOMENTUM}, {"beta2", 0.999, 0}};
  }

  optim::SchedulerFactory factory() {
    return [this](const config::Value& one) {
      return plugin.create<strata_param_scheduler_api>(one.get<std::string>("type"), one);
    };
  }

  /// The value of the first n updates.
  std::vector<double> values(int n, const std::string& name = "lr") {
    std::vector<double> out = {*table.value(name)};
    for (int i = 1; i < n; ++i) {
      schedulers.step(STRATA_AFTER_ITER, {}, i);
      out.push_back(*table.value(name));
    }
    return out;
  }

  OptimPlugin plugin{"param_scheduler_deepspeed"};
  HyperTable table;
  config::Value config;
  Schedulers schedulers;
};

/// Relative, with what DeepSpeed's printed digits allow.
void expect_near(const std::vector<double>& found,
                 const std::vector<double>& wanted,
                 double relative = 2e-6) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], relative * std::fabs(wanted[i]) + 1e-15) << "update " << i;
  }
}

std::string refusal(const std::string& keys, const std::vector<std::vector<double>>& groups = {}) {
  return error_of([&] {
    Training run(keys, 1, kTenIters, groups);
    run.values(3);
  });
}

// --- values

TEST(WarmupLR, RisesAlongALogarithmAfterTwoUpdatesAtItsMinimum) {
  expect_near(
      Training("type = \"WarmupLR\"\nwarmup_max_lr = 1e-3\nwarmup_num_steps = 10").values(11),
      {0,
       0,
       3.0103e-4,
       4.77121e-4,
       6.0206e-4,
       6.9897e-4,
       7.78151e-4,
       8.45098e-4,
       9.0309e-4,
       9.54243e-4,
       1e-3});
}

TEST(WarmupLR, RisesToEachGroupsLearningRateByDefault) {
  expect_near(Training("type = \"WarmupLR\"\nwarmup_num_steps = 5").values(6),
              {0, 0, .430677, .682606, .861353, 1});
  expect_near(
      Training("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_max_lr = \"auto\"", 2).values(6),
      {0, 0, .861353, 1.365212, 1.722706, 2});
}

TEST(WarmupLR, RisesAlongALine) {
  expect_near(
      Training("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_type = \"linear\"").values(8),
      {0, 0, .2, .4, .6, .8, 1, 1});
}

TEST(WarmupLR, OfOneStepIsOneOfTwo) {
  expect_near(Training("type = \"WarmupLR\"\nwarmup_num_steps = 1\nwarmup_min_lr = 0.5").values(4),
              {.5, .5, 1, 1});
}

TEST(WarmupDecayLR, FallsAlongALineToNothing) {
  expect_near(
      Training("type = \"WarmupDecayLR\"\nwarmup_num_steps = 4\ntotal_num_steps = 10").values(12),
      {0,
       0,
       5e-4,
       7.92481e-4,
       1e-3,
       1e-3,
       8.33333e-4,
       6.66667e-4,
       5e-4,
       3.33333e-4,
       1.66667e-4,
       0});
}

TEST(WarmupDecayLR, TakesTheRunsLengthInUpdates) {
  const RunLength length{false, 0, 20, 5, 2};

  EXPECT_EQ(
      Training(
          "type = \"WarmupDecayLR\"\nwarmup_num_steps = 4\ntotal_num_steps = \"auto\"", 1, length)
          .values(12),
      Training("type = \"WarmupDecayLR\"\nwarmup_num_steps = 4\ntotal_num_steps = 10").values(12));
}

TEST(WarmupCosineLR, FallsAlongHalfACosine) {
  expect_near(
      Training("type = \"WarmupCosineLR\"\nwarmup_num_steps = 4\ntotal_num_steps = 10", 1e-3)
          .values(12),
      {0,
       0,
       5e-4,
       7.924813e-4,
       1e-3,
       9.330194e-4,
       7.50025e-4,
       5.0005e-4,
       2.50075e-4,
       6.70806e-5,
       1e-7,
       1e-7});
  expect_near(
      Training("type = \"WarmupCosineLR\"\nwarmup_num_steps = 3\ntotal_num_steps = 10").values(11),
      {0, 0, .63093, 1, .950489, .811764, .611299, .388801, .188336, .049611, .0001},
      1e-5);
}

constexpr const char* kCycle =
    "type = \"OneCycle\"\ncycle_min_lr = 0.001\ncycle_max_lr = 0.1\ncycle_first_step_size = 4\n"
    "decay_step_size = 2\ndecay_lr_rate = 0.5\n";

TEST(OneCycle, RisesFallsAndDecays) {
  expect_near(
      Training(kCycle).values(12),
      {.001, .02575, .0505, .07525, .1, .07525, .0505, .02575, .001, .0008, .0006667, .0005714},
      1e-4);
}

TEST(OneCycle, MovesBetasTheOppositeWay) {
  expect_near(Training(kCycle).values(10, "beta1"),
              {.9, .875, .85, .825, .8, .825, .85, .875, .9, .9},
              1e-12);
  expect_near(Training(kCycle).values(3, "beta2"), {.99, .99, .99}, 0);
}

TEST(OneCycle, RaisesTheMomentumAfterTheCycleWhenAsked) {
  EXPECT_NEAR(Training(std::string(kCycle) + "decay_mom_rate = 0.01").values(11, "beta1").back(),
              .9 * 1.01,
              1e-12);
}

TEST(OneCycle, LeavesBetasAloneWhenAsked) {
  expect_near(
      Training(std::string(kCycle) + "cycle_momentum = false").values(3, "beta1"), {.9, .9, .9}, 0);
}

TEST(OneCycle, GoesInStairs) {
  expect_near(
      Training(
          "type = \"OneCycle\"\ncycle_min_lr = 0\ncycle_max_lr = 1\ncycle_first_step_size = 4\n"
          "cycle_second_step_size = 8\ncycle_first_stair_count = 2\ncycle_second_stair_count = 4")
          .values(13),
      {0, 0, .5, .5, 1, .75, .75, .5, .5, .25, .25, 0, 0},
      1e-12);
}

TEST(OneCycle, StaysAtItsMinimumWithoutDecay) {
  expect_near(
      Training(
          "type = \"OneCycle\"\ncycle_min_lr = 0.1\ncycle_max_lr = 1\ncycle_first_step_size = 1")
          .values(5),
      {.1, 1, .1, .1, .1},
      1e-12);
}

TEST(LRRangeTest, RisesAllTheTime) {
  expect_near(
      Training("type = \"LRRangeTest\"\nlr_range_test_min_lr = 0.01\nlr_range_test_step_size = 4\n"
               "lr_range_test_step_rate = 2")
          .values(6),
      {.01, .015, .02, .025, .03, .035},
      1e-12);
}

TEST(LRRangeTest, RisesInStairs) {
  expect_near(
      Training(
          "type = \"LRRangeTest\"\nlr_range_test_step_size = 2\nlr_range_test_staircase = true")
          .values(6),
      {.001, .001, .002, .002, .003, .003},
      1e-12);
}

// --- what they count

TEST(DeepSpeedSchedules, StandStillWhileUpdatesAreSkipped) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_type = \"linear\"");
  std::vector<double> found;
  for (const int64_t updates :
       {1, 2, 2, 2, 3, 3, 4}) {  // iterations that end no window, or overflow
    run.schedulers.step(STRATA_AFTER_ITER, {}, updates);
    found.push_back(*run.table.value("lr"));
  }

  expect_near(found, {0, .2, .2, .2, .4, .4, .6}, 1e-12);
}

TEST(DeepSpeedSchedules, DoNotMoveWithEpochs) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_type = \"linear\"");
  run.schedulers.step(STRATA_AFTER_ITER, {}, 3);

  run.schedulers.step(STRATA_AFTER_EPOCH, {}, 4);

  EXPECT_NEAR(*run.table.value("lr"), .4, 1e-12);
}

TEST(DeepSpeedSchedules, GoOnAfterTheRunsExpectedLength) {
  EXPECT_EQ(Training("type = \"WarmupLR\"\nwarmup_num_steps = 20\nwarmup_type = \"linear\"")
                .values(21)
                .back(),
            .95);
}

TEST(DeepSpeedSchedules, GoOnWhereTheyWere) {
  Training whole(kCycle);
  const std::vector<double> wanted = whole.values(12);
  Training first(kCycle);
  first.values(6);
  Training second(kCycle);

  second.schedulers.load(first.schedulers.save());

  for (int i = 6; i < 12; ++i) {
    second.schedulers.step(STRATA_AFTER_ITER, {}, i);
    EXPECT_EQ(*second.table.value("lr"), wanted[static_cast<size_t>(i)]) << i;
  }
}

// --- groups

const std::vector<std::vector<double>> kTwoGroups = {{1, 0.9, 0.999}, {0.1, 0.9, 0.999}};

TEST(DeepSpeedSchedules, TakeANumberForEachGroup) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 2\nwarmup_max_lr = [0.5, 0.25]",
               1,
               kTenIters,
               kTwoGroups);
  run.values(4);

  EXPECT_EQ(*run.table.value("lr", 0), .5);
  EXPECT_EQ(*run.table.value("lr", 1), .25);
}

TEST(DeepSpeedSchedules, ByDefaultEachGroupRisesToItsOwn) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 2", 1, kTenIters, kTwoGroups);
  run.values(4);

  EXPECT_EQ(*run.table.value("lr", 1), .1);
  EXPECT_EQ(*run.table.base_lr(), 1);
}

TEST(DeepSpeedSchedules, AListOfTheWrongLengthIsAnErrorAtItsPlace) {
  const std::string said =
      refusal("type = \"WarmupLR\"\nwarmup_max_lr = [0.5, 0.25, 1]", kTwoGroups);

  EXPECT_THAT(said, HasSubstr("test.toml:3"));
  EXPECT_THAT(said,
              HasSubstr("warmup_max_lr has 3 values, and the optimizer has 2 parameter group(s)"));
}

// --- refusals

struct Refusal {
  const char* name;
  const char* keys;
  const char* says;
};

void PrintTo(const Refusal& r, std::ostream* out) {
  *out << r.name;
}

class DeepSpeedScheduleRefusals : public testing::TestWithParam<Refusal> {};

TEST_P(DeepSpeedScheduleRefusals, NameTheField) {
  EXPECT_THAT(refusal(GetParam().keys), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Keys,
    DeepSpeedScheduleRefusals,
    testing::Values(
        Refusal{"NoWarmup",
                "type = \"WarmupLR\"\nwarmup_num_steps = 0",
                "warmup_num_steps must be at least 1"},
        Refusal{
            "UnknownRise", "type = \"WarmupLR\"\nwarmup_type = \"cubic\"", "\"log\" or \"linear\""},
        Refusal{"NoTotal",
                "type = \"WarmupDecayLR\"\ntotal_num_steps = 0",
                "total_num_steps must be at least 1"},
        Refusal{
            "Position", "type = \"WarmupLR\"\nlast_batch_iteration = 7", "last_batch_iteration"},
        Refusal{"NoInterval",
                "type = \"LRRangeTest\"\nlr_range_test_step_size = 0",
                "lr_range_test_step_size"},
        Refusal{
            "NoRise",
            "type = \"OneCycle\"\ncycle_min_lr = 0\ncycle_max_lr = 1\ncycle_first_step_size = 0",
            "cycle_first_step_size"},
        Refusal{
            "NegativeFall",
            "type = \"OneCycle\"\ncycle_min_lr = 0\ncycle_max_lr = 1\ncycle_second_step_size = -1",
            "cycle_second_step_size"}),
    [](const auto& test) { return test.param.name; });

TEST(WarmupDecayLR, OfARunOfUnknownLengthNeedsATotal) {
  const std::string said = error_of([] {
    Training run("type = \"WarmupDecayLR\"\nwarmup_num_steps = 1\ntotal_num_steps = \"auto\"",
                 1,
                 RunLength{false, 0, 0, 0});
    run.values(5);
  });

  EXPECT_THAT(said, HasSubstr("length of the run is not known"));
}

}  // namespace
}  // namespace strata::test
