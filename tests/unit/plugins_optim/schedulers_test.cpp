// The scheduler plugins under the host's Schedulers: values against closed forms, chains, state.
#include "optim/schedulers.hpp"

#include <cmath>
#include <numbers>
#include <tuple>

#include <gtest/gtest.h>

#include "strata/abi/services.h"

#include "optim_host.hpp"

namespace strata::test {
namespace {

using optim::Hyper;
using optim::HyperTable;
using optim::RunLength;
using optim::Schedulers;

constexpr RunLength kTenEpochs{true, 10, 50, 5};
constexpr RunLength kTenIters{false, 0, 10, 5};

/// Schedulers over the hyper-parameters of Adam, with a base of 1 unless said otherwise.
struct Training {
  explicit Training(const std::string& toml, const RunLength& length = kTenEpochs, double lr = 1)
      : table(adam_hypers(lr), {{lr, 0.01, 0.9, 0.999}}),
        config(config::parse_toml(toml, "test.toml")),
        schedulers(config.child("param_scheduler"), factory(), table, length) {}

  static std::vector<Hyper> adam_hypers(double lr) {
    return {{"lr", lr, STRATA_HYPER_LR},
            {"weight_decay", 0.01, STRATA_HYPER_DECAY},
            {"beta1", 0.9, STRATA_HYPER_MOMENTUM},
            {"beta2", 0.999, 0}};
  }

  optim::SchedulerFactory factory() {
    return [this](const config::Value& one) {
      return plugin.create<strata_param_scheduler_api>(one.get<std::string>("type"), one);
    };
  }

  /// The value at step 0 and after each of n - 1 steps.
  std::vector<double> values(int n,
                             int32_t when = STRATA_AFTER_EPOCH,
                             const std::string& name = "lr") {
    std::vector<double> out = {*table.value(name)};
    for (int i = 1; i < n; ++i) {
      schedulers.step(when);
      out.push_back(*table.value(name));
    }
    return out;
  }

  OptimPlugin plugin{"param_scheduler_standard"};
  HyperTable table;
  config::Value config;
  Schedulers schedulers;
};

void expect_near(const std::vector<double>& found,
                 const std::vector<double>& wanted,
                 double tolerance = 5e-6) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], tolerance) << "step " << i;
  }
}

std::string scheduler(const std::string& type, const std::string& keys = {}) {
  return "[param_scheduler]\ntype = \"" + type + "\"\n" + keys;
}

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

// --- plateau

/// The learning rate after each validation.
std::vector<double> validate(Training& run, const std::vector<double>& losses) {
  std::vector<double> out;
  for (const double loss : losses) {
    run.schedulers.step(STRATA_AFTER_EPOCH);
    run.schedulers.step(STRATA_AFTER_VAL, {{"loss", loss}});
    out.push_back(*run.table.value("lr"));
  }
  return out;
}

TEST(Plateau, DropsWhenPatienceIsExceeded) {
  Training run(scheduler("ReduceOnPlateauLR", "patience = 1\nfactor = 0.5"));

  expect_near(validate(run, {1, .9, .9, .9, .8, .8, .8}), {1, 1, 1, .5, .5, .5, .25}, 0);
}

TEST(Plateau, ValidationsInCooldownDoNotCount) {
  Training run(scheduler("ReduceOnPlateauLR", "patience = 0\nfactor = 0.5\ncooldown = 2"));

  expect_near(validate(run, {1, 1, 1, 1, 1}), {1, .5, .5, .5, .25}, 0);
}

TEST(Plateau, NeverGoesBelowItsMinimum) {
  Training run(scheduler("ReduceOnPlateauLR", "patience = 0\nfactor = 0.1\nmin_value = 0.4"));

  expect_near(validate(run, {1, 1, 1}), {1, .4, .4}, 0);
}

TEST(Plateau, GreaterIsBetterWhenTheRuleSaysSo) {
  Training run(
      scheduler("ReduceOnPlateauLR",
                "patience = 0\nfactor = 0.5\nrule = \"greater\"\nthreshold_rule = \"abs\""));

  expect_near(validate(run, {1, 2, 2.00005, 3}), {1, 1, .5, .5}, 0);
}

TEST(Plateau, AMissingMetricNamesThoseThereAre) {
  Training run(scheduler("ReduceOnPlateauLR", "monitor = \"acuracy\""));
  const std::string said =
      error_of([&] { run.schedulers.step(STRATA_AFTER_VAL, {{"accuracy", 1.0}, {"loss", 2.0}}); });

  EXPECT_NE(said.find("accuracy, loss"), std::string::npos) << said;
  EXPECT_NE(said.find("test.toml:1"), std::string::npos) << said;
}

// --- state

TEST(SchedulerState, GoesOnToTheBit) {
  const std::string toml = scheduler("CosineAnnealingLR", "by_epoch = false");
  Training whole(toml);
  const auto wanted = whole.values(20, STRATA_AFTER_ITER);
  Training first(toml);
  (void)first.values(8, STRATA_AFTER_ITER);
  Training second(toml);

  EXPECT_TRUE(second.schedulers.load(first.schedulers.save()));

  const auto found = second.values(13, STRATA_AFTER_ITER);
  EXPECT_EQ(found, std::vector<double>(wanted.begin() + 7, wanted.end()));
}

TEST(SchedulerState, APlateauRemembersItsBestAndItsPatience) {
  const std::string toml = scheduler("ReduceOnPlateauLR", "patience = 1\nfactor = 0.5");
  Training first(toml);
  (void)validate(first, {.5, .9});
  Training second(toml);

  EXPECT_TRUE(second.schedulers.load(first.schedulers.save()));

  expect_near(validate(second, {.9}), {.5}, 0);
}

TEST(SchedulerState, AChangedScheduleIsAsIfItHadAlwaysBeen) {
  Training first(scheduler("ExponentialLR", "gamma = 0.5"));
  (void)first.values(3);
  Training second(scheduler("ExponentialLR", "gamma = 0.25"));

  EXPECT_FALSE(second.schedulers.load(first.schedulers.save()));
  second.schedulers.recompute(2, 0, 0);

  expect_near(second.values(2), {1. / 16, 1. / 64}, 0);
}

TEST(SchedulerState, AChangedLearningRateIsAsIfItHadAlwaysBeen) {
  const std::string toml = scheduler("CosineAnnealingLR", "by_epoch = false");
  Training whole(toml, kTenEpochs, 8);
  const auto wanted = whole.values(20, STRATA_AFTER_ITER);
  Training first(toml);
  (void)first.values(8, STRATA_AFTER_ITER);
  Training second(toml, kTenEpochs, 8);

  EXPECT_FALSE(second.schedulers.load(first.schedulers.save()));
  second.schedulers.recompute(0, 7, 7);

  EXPECT_EQ(second.values(13, STRATA_AFTER_ITER),
            std::vector<double>(wanted.begin() + 7, wanted.end()));
}

TEST(SchedulerState, APlateauWithAChangedLearningRateKeepsTheRatioReached) {
  const std::string toml = scheduler("ReduceOnPlateauLR", "patience = 0\nfactor = 0.5");
  Training first(toml);
  (void)validate(first, {.5, .9});
  Training second(toml, kTenEpochs, 8);

  EXPECT_TRUE(second.schedulers.load(first.schedulers.save()));

  EXPECT_EQ(*second.table.value("lr"), 4);
}

TEST(SchedulerState, TextOfSomethingElseIsRefused) {
  Training run(scheduler("ExponentialLR", "gamma = 0.5"));

  EXPECT_NE(error_of([&] { std::ignore = run.schedulers.load("{}"); }), "");
}

}  // namespace
}  // namespace strata::test
