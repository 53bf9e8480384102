// The scheduler plugins under the host's Schedulers: values against closed forms, chains, refusals.
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "scheduler_training.hpp"

namespace strata::test {
namespace {

// --- closed forms; the first three lines of numbers were printed by MMEngine 0.10.7

TEST(SchedulerValues, LinearRisesFromAThirdToOneAtTheLastStep) {
  expect_near(Training(scheduler("LinearLR")).values(10),
              {.33333, .40741, .48148, .55556, .62963, .70370, .77778, .85185, .92593, 1.0});
}

TEST(SchedulerValues, CosineAnnealingDoesNotQuiteReachItsFloor) {
  const auto found = Training(scheduler("CosineAnnealingLR")).values(10);

  for (int t = 0; t < 10; ++t) {
    EXPECT_NEAR(
        found[static_cast<size_t>(t)], (1 + std::cos(std::numbers::pi * t / 10)) / 2, 1e-12);
  }
  EXPECT_NEAR(found.back(), .02447, 5e-6);
}

TEST(SchedulerValues, PolyOfPowerTwoFallsToZero) {
  expect_near(Training(scheduler("PolyLR", "power = 2")).values(10),
              {1, .79012, .60494, .44444, .30864, .19753, .11111, .04938, .01235, 0});
}

TEST(SchedulerValues, LinearFromNothingIsFinite) {
  expect_near(Training(scheduler("LinearLR", "start_factor = 0\nend = 5")).values(6),
              {0, .25, .5, .75, 1, 1},
              1e-15);
}

TEST(SchedulerValues, LinearOverOneStepIsAtItsEnd) {
  expect_near(Training(scheduler("LinearLR", "end = 1")).values(3), {1, 1, 1}, 0);
}

TEST(SchedulerValues, ConstantHoldsUntilTheLastStep) {
  expect_near(Training(scheduler("ConstantLR", "factor = 0.5\nend = 4")).values(6),
              {.5, .5, .5, 1, 1, 1},
              0);
}

TEST(SchedulerValues, ConstantFromNothingComesBackToTheBase) {
  expect_near(Training(scheduler("ConstantLR", "factor = 0\nend = 3")).values(4), {0, 0, 1, 1}, 0);
}

TEST(SchedulerValues, StepDropsEveryStepSize) {
  expect_near(Training(scheduler("StepLR", "step_size = 3\ngamma = 0.5")).values(10),
              {1, 1, 1, .5, .5, .5, .25, .25, .25, .125},
              0);
}

TEST(SchedulerValues, MultiStepDropsAtEachMilestoneAsOftenAsItIsNamed) {
  expect_near(Training(scheduler("MultiStepLR", "milestones = [2, 5, 5]\ngamma = 0.5")).values(7),
              {1, 1, .5, .5, .5, .125, .125},
              0);
}

TEST(SchedulerValues, ExponentialFallsByGammaEachStep) {
  expect_near(Training(scheduler("ExponentialLR", "gamma = 0.5")).values(4), {1, .5, .25, .125}, 0);
}

TEST(SchedulerValues, ExponentialConvertedToIterationsFallsByGammaEachEpoch) {
  const auto found =
      Training(scheduler("ExponentialLR", "gamma = 0.5\nconvert_to_iter_based = true"))
          .values(11, STRATA_AFTER_ITER);

  EXPECT_NEAR(found[1], std::pow(0.5, 0.2), 1e-12);
  EXPECT_NEAR(found[5], 0.5, 1e-12);
  EXPECT_NEAR(found[10], 0.25, 1e-12);
}

TEST(SchedulerValues, CosineGoesUpAgainPastItsHalfPeriod) {
  const auto found =
      Training(scheduler("CosineAnnealingLR", "T_max = 4\neta_min_ratio = 0.2")).values(10);

  for (int t = 0; t < 10; ++t) {  // 0.2 + 0.8 (1 + cos(pi t / 4)) / 2
    EXPECT_NEAR(
        found[static_cast<size_t>(t)], 0.6 + 0.4 * std::cos(std::numbers::pi * t / 4), 1e-12);
  }
}

TEST(SchedulerValues, CosineRestartStartsEachPeriodFromItsWeight) {
  // First period: 1, .75, .25; second, of weight one half: .5, .25; then constant.
  expect_near(Training(scheduler("CosineRestartLR",
                                 "periods = [3, 2]\nrestart_weights = [1, 0.5]\neta_min = 0"))
                  .values(7),
              {1, .75, .25, .5, .25, .25, .25},
              1e-12);
}

TEST(SchedulerValues, OneCycleInTwoPhases) {
  // N = 10, pct_start 0.3: up over steps 0..2, down over 2..9; linear.
  const auto found =
      Training(
          scheduler(
              "OneCycleLR",
              "eta_max = 1\nanneal_strategy = \"linear\"\ndiv_factor = 10\nfinal_div_factor = 10"))
          .values(10);

  expect_near(found,
              {.1,
               .55,
               1,
               1 - .99 / 7,
               1 - .99 * 2 / 7,
               1 - .99 * 3 / 7,
               1 - .99 * 4 / 7,
               1 - .99 * 5 / 7,
               1 - .99 * 6 / 7,
               .01},
              1e-12);
}

TEST(SchedulerValues, OneCycleInThreePhasesComesBackToItsStartFirst) {
  // up over 0..2, back over 2..4, down over 4..9; cosines are half way in the middle.
  const auto found = Training(scheduler("OneCycleLR",
                                        "eta_max = 1\ndiv_factor = 10\nfinal_div_factor = 10\n"
                                        "three_phase = true"))
                         .values(10);

  expect_near({found[0], found[1], found[2], found[3], found[4], found[9]},
              {.1, .55, 1, .55, .1, .01},
              1e-12);
}

// --- what they drive, and when

TEST(SchedulerTargets, MomentumDrivesBeta1OfAdam) {
  Training run(scheduler("LinearMomentum", "start_factor = 0.5\nend = 3"));

  expect_near(run.values(4, STRATA_AFTER_EPOCH, "beta1"), {.45, .675, .9, .9}, 1e-15);
  EXPECT_EQ(run.table.value("momentum"), run.table.value("beta1"));
  EXPECT_EQ(*run.table.value("lr"), 1);
}

TEST(SchedulerTargets, AParamSchedulerDrivesWhatItsConfigNames) {
  Training run(
      scheduler("StepParamScheduler", "param_name = \"weight_decay\"\nstep_size = 1\ngamma = 0.5"));

  expect_near(run.values(3, STRATA_AFTER_EPOCH, "weight_decay"), {.01, .005, .0025}, 1e-17);
}

TEST(SchedulerTargets, AnUnknownHyperParameterIsAnErrorAtItsPlace) {
  const std::string said = error_of([] {
    const Training run(
        scheduler("StepParamScheduler", "param_name = \"weigth_decay\"\nstep_size = 1"));
  });

  EXPECT_NE(said.find("test.toml:1"), std::string::npos) << said;
  EXPECT_NE(said.find("weight_decay"), std::string::npos) << said;
}

TEST(SchedulerChains, WarmUpGoesOverIntoDecay) {
  Training run(R"(
[[param_scheduler]]
type = "LinearLR"
by_epoch = false
start_factor = 0.2
end = 5
[[param_scheduler]]
type = "MultiStepLR"
by_epoch = false
begin = 5
milestones = [2, 4]
)",
               kTenIters);

  expect_near(
      run.values(11, STRATA_AFTER_ITER), {.2, .4, .6, .8, 1, 1, 1, .1, .1, .01, .01}, 1e-12);
}

TEST(SchedulerChains, TwoSchedulersOfOneWindowMultiply) {
  Training run(R"(
[[param_scheduler]]
type = "LinearLR"
by_epoch = false
start_factor = 0.5
end = 5
[[param_scheduler]]
type = "CosineAnnealingLR"
)");
  for (int i = 0; i < 5; ++i) {
    run.schedulers.step(STRATA_AFTER_ITER);
  }
  run.schedulers.step(STRATA_AFTER_EPOCH);

  EXPECT_NEAR(*run.table.value("lr"), (1 + std::cos(std::numbers::pi / 10)) / 2, 1e-12);
}

TEST(SchedulerChains, AnAbsentEndIsTheRuns) {
  expect_near(Training(scheduler("LinearLR", "by_epoch = false\nstart_factor = 0.1"), kTenIters)
                  .values(10, STRATA_AFTER_ITER),
              {.1, .2, .3, .4, .5, .6, .7, .8, .9, 1},
              1e-12);
}

TEST(SchedulerChains, EpochsInARunOfIterationsAreRefused) {
  const std::string said = error_of([] { const Training run(scheduler("LinearLR"), kTenIters); });

  EXPECT_NE(said.find("by_epoch = false"), std::string::npos) << said;
}

TEST(SchedulerChains, ConvertedMilestonesCountEpochs) {
  const auto found =
      Training(
          scheduler("MultiStepLR", "milestones = [2]\ngamma = 0.5\nconvert_to_iter_based = true"))
          .values(12, STRATA_AFTER_ITER);

  EXPECT_EQ(found[9], 1);
  EXPECT_EQ(found[10], .5);
}

// --- refusals name the field

struct Refusal {
  std::string type;
  std::string keys;
  std::string field;
};

// Keeps addresses out of the tests' names.
void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.type << ", " << refusal.field;
}

class SchedulerRefusals : public testing::TestWithParam<Refusal> {};

TEST_P(SchedulerRefusals, NameTheField) {
  const std::string said =
      error_of([] { const Training run(scheduler(GetParam().type, GetParam().keys)); });

  EXPECT_NE(said.find(GetParam().field), std::string::npos) << said;
}

INSTANTIATE_TEST_SUITE_P(
    Configs,
    SchedulerRefusals,
    testing::Values(
        Refusal{"LinearLR", "start_factor = 1.5", "start_factor"},
        Refusal{"ConstantLR", "factor = -1", "factor"},
        Refusal{"StepLR", "step_size = 0", "step_size"},
        Refusal{"ExponentialLR", "gamma = 0", "gamma"},
        Refusal{"LinearLR", "begin = 3\nend = 3", "end"},
        Refusal{"LinearLR", "begin = 10", "begins at 10"},
        Refusal{"LinearLR", "last_step = 4", "last_step"},
        Refusal{
            "LinearLR", "by_epoch = false\nconvert_to_iter_based = true", "convert_to_iter_based"},
        Refusal{"CosineAnnealingLR", "eta_min = 0.1\neta_min_ratio = 0.1", "eta_min_ratio"},
        Refusal{"CosineRestartLR", "periods = [3]", "eta_min"},
        Refusal{"CosineRestartLR", "periods = [3, 4]\neta_min = 0", "restart_weights"},
        Refusal{"OneCycleLR", "eta_max = 1\ntotal_steps = 5", "total_steps"},
        Refusal{"OneCycleLR", "eta_max = 1\nanneal_strategy = \"cubic\"", "anneal_strategy"},
        Refusal{"OneCycleLR", "eta_max = 1\npct_start = 2", "pct_start"},
        Refusal{"ReduceOnPlateauLR", "rule = \"lower\"", "rule"},
        Refusal{"ReduceOnPlateauLR", "by_epoch = false", "by_epoch"},
        Refusal{"StepParamScheduler", "step_size = 1\nparam_name = \"\"", "param_name"}));

}  // namespace
}  // namespace strata::test
