// Tests of RuntimeInfoHook, IterTimerHook, DistSamplerSeedHook, ParamSchedulerHook and
// CheckInvalidLossHook.
#include <cmath>
#include <limits>
#include <thread>

#include <gmock/gmock.h>

#include "hook_plugin.hpp"

namespace strata::hooks {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using DefaultHooks = HookPluginTest;

TEST_F(DefaultHooks, HaveMmenginesPriorities) {
  const std::vector<std::pair<std::string, int32_t>> expected = {{"RuntimeInfoHook", 10},
                                                                 {"IterTimerHook", 50},
                                                                 {"DistSamplerSeedHook", 50},
                                                                 {"CheckInvalidLossHook", 50},
                                                                 {"LoggerHook", 60},
                                                                 {"ParamSchedulerHook", 70},
                                                                 {"CheckpointHook", 90}};
  for (const auto& [type, priority] : expected) {
    strata_hook_desc desc{};
    make(type).call(&strata_hook_api::describe, &desc);
    EXPECT_EQ(desc.priority, priority) << type;
  }
}

using RuntimeInfoHook = HookPluginTest;

TEST_F(RuntimeInfoHook, PutsLearningRatesLossesAndMetricsIntoTheHub) {
  const auto hook = make("RuntimeInfoHook");
  run_.base_lr_ = 0.25;

  fire(hook, STRATA_POINT_BEFORE_TRAIN_ITER);
  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {{"loss", 2}, {"acc", 3}});
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", 4}});
  fire(hook, STRATA_POINT_AFTER_TEST_EPOCH, {{"accuracy", 5}});

  std::vector<std::string> keys;
  for (const auto& [key, history] : hub_.scalars()) {
    keys.push_back(text(key, "=", history.current()));
  }
  EXPECT_THAT(keys,
              ElementsAre("train/base_lr=0.25",
                          "train/lr=0.125",
                          "train/loss=2",
                          "train/acc=3",
                          "val/accuracy=4",
                          "test/accuracy=5"));
}

TEST_F(RuntimeInfoHook, LeavesTheBaseRateOutWhenThereIsNone) {
  fire(make("RuntimeInfoHook"), STRATA_POINT_BEFORE_TRAIN_ITER);

  EXPECT_EQ(hub_.scalar("train/base_lr"), nullptr);
  EXPECT_EQ(hub_.scalar("train/lr")->current(), 0.125);
}

TEST_F(RuntimeInfoHook, KeepsFactsThatNoCheckpointTakes) {
  const auto hook = make("RuntimeInfoHook");
  run_.at.epoch = 2;
  run_.at.iter = 45;

  fire(hook, STRATA_POINT_BEFORE_RUN);
  fire(hook, STRATA_POINT_BEFORE_TRAIN);
  fire(hook, STRATA_POINT_BEFORE_VAL);

  EXPECT_EQ(*hub_.text("experiment_name"), "resnet_20240131_235959");
  EXPECT_EQ(hub_.number("seed"), 42);
  EXPECT_EQ(hub_.number("epoch"), 2);
  EXPECT_EQ(hub_.number("max_iters"), 60);
  EXPECT_EQ(*hub_.text("loop_stage"), "val");
  EXPECT_EQ(hub_.save(), R"({"texts":{},"numbers":{}})");
}

using IterTimerHook = HookPluginTest;

void pause_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

TEST_F(IterTimerHook, MeasuresLoadingAndWholeIterationsApart) {
  const auto hook = make("IterTimerHook");
  fire(hook, STRATA_POINT_BEFORE_TRAIN);
  fire(hook, STRATA_POINT_BEFORE_TRAIN_EPOCH);

  pause_ms(5);
  fire(hook, STRATA_POINT_BEFORE_TRAIN_ITER);
  pause_ms(10);
  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER);

  const double data_time = hub_.scalar("train/data_time")->current();
  const double time = hub_.scalar("train/time")->current();
  EXPECT_GE(data_time, 0.005);
  EXPECT_GE(time, data_time + 0.010);
}

TEST_F(IterTimerHook, EstimatesWhatRemainsFromTheMeanSinceTheStart) {
  run_.at.iter = 20;  // resumed there
  const auto hook = make("IterTimerHook");
  fire(hook, STRATA_POINT_BEFORE_TRAIN);
  for (run_.at.iter = 20; run_.at.iter < 24; ++run_.at.iter) {
    fire(hook, STRATA_POINT_AFTER_TRAIN_ITER);
  }

  // 4 of 40 iterations are done, 36 remain.
  EXPECT_DOUBLE_EQ(*hub_.number("eta"), hub_.scalar("train/time")->mean(4) * 36);
}

TEST_F(IterTimerHook, EstimatesAValidationByItself) {
  const auto hook = make("IterTimerHook");
  run_.at.mode = STRATA_MODE_VAL;
  run_.at.loop_length = 10;
  fire(hook, STRATA_POINT_BEFORE_VAL_EPOCH);
  fire(hook, STRATA_POINT_AFTER_VAL_ITER, {}, 0);
  fire(hook, STRATA_POINT_AFTER_VAL_ITER, {}, 1);

  EXPECT_DOUBLE_EQ(*hub_.number("eta"), hub_.scalar("val/time")->mean(2) * 8);
}

TEST_F(IterTimerHook, DoesNotCountAValidationAsLoadingTime) {
  const auto hook = make("IterTimerHook");
  fire(hook, STRATA_POINT_BEFORE_TRAIN_EPOCH);
  pause_ms(50);
  fire(hook, STRATA_POINT_AFTER_VAL);

  fire(hook, STRATA_POINT_BEFORE_TRAIN_ITER);

  EXPECT_LT(hub_.scalar("train/data_time")->current(), 0.050);
}

TEST_F(DefaultHooks, TellTheSamplerItsEpoch) {
  run_.at.epoch = 2;

  fire(make("DistSamplerSeedHook"), STRATA_POINT_BEFORE_TRAIN_EPOCH);

  EXPECT_THAT(run_.notes, ElementsAre("sampler epoch 2"));
}

TEST_F(DefaultHooks, StepTheSchedulersOfEachKind) {
  const auto hook = make("ParamSchedulerHook");

  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER);
  fire(hook, STRATA_POINT_AFTER_TRAIN_EPOCH);
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH);

  EXPECT_THAT(run_.notes,
              ElementsAre(text("schedulers ", STRATA_AFTER_ITER),
                          text("schedulers ", STRATA_AFTER_EPOCH),
                          text("schedulers ", STRATA_AFTER_VAL)));
}

using CheckInvalidLossHook = HookPluginTest;

TEST_F(CheckInvalidLossHook, EndsTheRunAndNamesIterationEpochAndRank) {
  const auto hook = make("CheckInvalidLossHook");
  run_.at.iter = 24;
  run_.at.epoch = 1;
  run_.rank_ = 1;

  const std::string message = refusal(
      [&] {
        fire(hook,
             STRATA_POINT_AFTER_TRAIN_ITER,
             {{"acc", std::nan("")}, {"loss_cls", std::nan("")}});
      },
      STRATA_E_FAILED);

  EXPECT_THAT(message,
              AllOf(HasSubstr("loss_cls is NaN at iteration 25 (epoch 2) on rank 1"),
                    HasSubstr("on_invalid")));
}

TEST_F(CheckInvalidLossHook, GoesOnWithAWarningWhenToldTo) {
  const auto hook = make("CheckInvalidLossHook", "on_invalid = 'warn'");

  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {{"loss", -std::numeric_limits<double>::infinity()}});

  EXPECT_THAT(
      run_.lines,
      ElementsAre(HasSubstr("W loss is -inf at iteration 1 (epoch 1) on rank 0; going on")));
}

TEST_F(CheckInvalidLossHook, LooksEveryIntervalAndAcceptsFiniteLosses) {
  const auto hook = make("CheckInvalidLossHook", "interval = 2");

  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {{"loss", std::nan("")}});
  run_.at.iter = 1;
  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {{"loss", 1}});

  EXPECT_THAT(refusal([&] { fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {{"loss", std::nan("")}}); },
                      STRATA_E_FAILED),
              HasSubstr("iteration 2"));
}

}  // namespace
}  // namespace strata::hooks
