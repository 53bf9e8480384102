// Tests of EMAHook: when values are taken in, when averages are shown, what it tells of its state.
#include <algorithm>

#include <gmock/gmock.h>

#include "border/sinks.hpp"
#include "hook_plugin.hpp"

namespace strata::hooks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Hook = border::Object<strata_hook_api>;

class EmaHook : public HookPluginTest {
 protected:
  EmaHook() { run_.values = {0, 8}; }

  Hook started(const std::string& toml) {
    Hook hook = make("EMAHook", toml);
    fire(hook, STRATA_POINT_BEFORE_RUN);
    fire(hook, STRATA_POINT_BEFORE_TRAIN);
    return hook;
  }

  /// An iteration that leaves these values.
  void train(const Hook& hook, std::vector<float> values) {
    std::ranges::copy(values, run_.values.begin());
    fire(hook, STRATA_POINT_AFTER_TRAIN_ITER);
    ++run_.at.iter;
  }

  [[nodiscard]] std::vector<float> averages() { return run_.states["ema"]; }
};

TEST_F(EmaHook, CopiesTheFirstValuesAndBlendsTheNext) {
  const Hook hook = started("momentum = 0.25");

  train(hook, {4, 8});
  EXPECT_THAT(averages(), ElementsAre(4, 8));

  train(hook, {8, 0});
  EXPECT_THAT(averages(), ElementsAre(5, 6));
}

TEST_F(EmaHook, ShowsAveragesToAValidationAndPutsTheValuesBack) {
  const Hook hook = started("momentum = 0.25");
  train(hook, {4, 8});
  train(hook, {8, 0});

  fire(hook, STRATA_POINT_BEFORE_VAL_EPOCH);
  EXPECT_THAT(run_.values, ElementsAre(5, 6));
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH);

  EXPECT_THAT(run_.values, ElementsAre(8, 0));
  EXPECT_THAT(averages(), ElementsAre(5, 6));
  EXPECT_THAT(run_.notes, ElementsAre("values changed", "values changed"));
}

// What a checkpoint holds inside of a validation are the values; the next batch sees the averages again.
TEST_F(EmaHook, PutsTheValuesBackForACheckpointInsideAValidation) {
  const Hook hook = started("momentum = 0.25");
  train(hook, {4, 8});
  train(hook, {8, 0});
  fire(hook, STRATA_POINT_BEFORE_VAL_EPOCH);

  fire(hook, STRATA_POINT_BEFORE_SAVE_CHECKPOINT);
  EXPECT_THAT(run_.values, ElementsAre(8, 0));
  fire(hook, STRATA_POINT_BEFORE_VAL_ITER);
  EXPECT_THAT(run_.values, ElementsAre(5, 6));
}

TEST_F(EmaHook, BeginsWhenItIsTold) {
  const Hook hook = started("momentum = 0.25\nbegin_iter = 3");
  train(hook, {1, 1});
  train(hook, {2, 2});
  fire(hook, STRATA_POINT_BEFORE_VAL_EPOCH);
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH);
  EXPECT_THAT(run_.notes, IsEmpty()) << "until then the averages are the values";
  fire(hook, STRATA_POINT_BEFORE_SAVE_CHECKPOINT);
  EXPECT_THAT(averages(), ElementsAre(2, 2)) << "and are saved so";

  train(hook, {4, 8});
  train(hook, {8, 0});
  EXPECT_THAT(averages(), ElementsAre(5, 6));
}

TEST_F(EmaHook, AveragesBuffersOnlyWhenAsked) {
  const Hook plain = started("momentum = 0.25");
  train(plain, {4, 8});
  EXPECT_EQ(averages().size(), 2U);
  run_.states.clear();

  const Hook hook = started(
      "ema_type = { type = 'ExponentialMovingAverage', momentum = 0.25, "
      "update_buffers = true }");
  run_.buffer = {0, 4};
  train(hook, {4, 8});
  run_.buffer = {4, 0};
  train(hook, {8, 0});
  EXPECT_THAT(averages(), ElementsAre(5, 6, 1, 3));
  fire(hook, STRATA_POINT_BEFORE_VAL_EPOCH);
  EXPECT_THAT(run_.buffer, ElementsAre(1, 3));
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH);
  EXPECT_THAT(run_.buffer, ElementsAre(4, 0));
}

TEST_F(EmaHook, GoesOnCountingOverAResume) {
  const Hook first = started("ema_type = 'StochasticWeightAverage'");
  train(first, {4, 8});
  train(first, {8, 0});
  const border::TextSink saved;
  first.call(&strata_hook_api::save, saved.c());
  const std::vector<float> before = averages();
  run_.states.clear();

  const Hook second = make("EMAHook", "ema_type = 'StochasticWeightAverage'");
  fire(second, STRATA_POINT_AFTER_LOAD_CHECKPOINT);
  run_.states["ema"] = before;  // as the run brings it back
  second.call(&strata_hook_api::load, border::view(std::string_view(saved.str())));
  fire(second, STRATA_POINT_BEFORE_RUN);
  fire(second, STRATA_POINT_BEFORE_TRAIN);
  train(second, {3, 1});

  EXPECT_THAT(before, ElementsAre(6, 4));
  EXPECT_THAT(averages(), ElementsAre(5, 3));  // a third of each
  EXPECT_THAT(run_.lines, IsEmpty());
}

TEST_F(EmaHook, SaysThatItBeginsAnewWhenACheckpointKnowsNothingOfIt) {
  run_.at.iter = 20;

  started("");
  EXPECT_THAT(run_.lines, ElementsAre(HasSubstr("W EMAHook: the checkpoint was saved without")));
  EXPECT_THAT(averages(), ElementsAre(0, 8));
  run_.states.clear();
  EXPECT_THAT(refusal([&] { started("strict_load = true"); }, STRATA_E_CONFIG),
              HasSubstr("leave strict_load out"));
}

TEST_F(EmaHook, RefusesABeginningThatNeverComes) {
  EXPECT_THAT(refusal([&] { started("begin_epoch = 4"); }, STRATA_E_CONFIG),
              HasSubstr("epoch 4, after the end"));
  run_.states.clear();
  run_.at.by_epoch = 0;
  run_.at.max_epochs = 0;
  EXPECT_THAT(refusal([&] { started("begin_epoch = 1"); }, STRATA_E_CONFIG),
              HasSubstr("use begin_iter"));
}

TEST_F(EmaHook, DoesNothingInARunThatTrainsNothing) {
  run_.at.max_iters = 0;
  const Hook hook = make("EMAHook");

  fire(hook, STRATA_POINT_AFTER_LOAD_CHECKPOINT);
  fire(hook, STRATA_POINT_BEFORE_RUN);
  fire(hook, STRATA_POINT_BEFORE_VAL_EPOCH);

  EXPECT_THAT(run_.states, IsEmpty());
  EXPECT_THAT(run_.notes, IsEmpty());
}

TEST_F(EmaHook, NamesTheStateThatIsLoadedForWeights) {
  HookBus bus;
  EXPECT_EQ(bus.weights_state(), "");
  bus.add(make("CheckpointHook"));
  EXPECT_EQ(bus.weights_state(), "");

  bus.add(make("EMAHook"));

  EXPECT_EQ(bus.weights_state(), "ema");
}

}  // namespace
}  // namespace strata::hooks
