// Schedulers that remember: the plateau's, and what a checkpoint keeps of all.
#include <tuple>

#include <gtest/gtest.h>

#include "scheduler_training.hpp"

namespace strata::test {
namespace {

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
