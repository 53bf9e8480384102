// Tests of CheckpointHook: when it saves, what it keeps, what it calls the best.
#include <cmath>

#include <gmock/gmock.h>

#include "hook_plugin.hpp"

namespace strata::hooks {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Hook = border::Object<strata_hook_api>;

class CheckpointHook : public HookPluginTest {
 protected:
  void train_epoch(const Hook& hook, int64_t epoch) {
    run_.at.epoch = epoch;
    fire(hook, STRATA_POINT_AFTER_TRAIN_EPOCH);
    run_.at.epoch = epoch + 1;
  }

  void train_iters(const Hook& hook, int64_t n) {
    for (run_.at.iter = 0; run_.at.iter < n; ++run_.at.iter) {
      fire(hook, STRATA_POINT_AFTER_TRAIN_ITER);
    }
  }

  Hook started(const std::string& toml) {
    Hook hook = make("CheckpointHook", toml);
    fire(hook, STRATA_POINT_BEFORE_TRAIN);
    run_.lines.clear();
    return hook;
  }
};

TEST_F(CheckpointHook, SaysWhereItSaves) {
  fire(make("CheckpointHook"), STRATA_POINT_BEFORE_TRAIN);
  fire(make("CheckpointHook", "out_dir = '/big'"), STRATA_POINT_BEFORE_TRAIN);

  EXPECT_THAT(run_.lines,
              ElementsAre("Checkpoints will be saved to /runs/resnet.",
                          "Checkpoints will be saved to /big/resnet."));
}

TEST_F(CheckpointHook, SavesEveryIntervalAndAtTheEnd) {
  const Hook hook = started("interval = 2");

  for (const int64_t epoch : {0, 1, 2}) {
    train_epoch(hook, epoch);
  }

  EXPECT_THAT(run_.notes, ElementsAre("save epoch_2 last", "save epoch_3 last"));
  EXPECT_THAT(run_.lines,
              ElementsAre("Saving checkpoint at 2 epochs", "Saving checkpoint at 3 epochs"));
}

TEST_F(CheckpointHook, SavesOnlyAtTheEndWithoutAnInterval) {
  const Hook hook = started("");
  for (const int64_t epoch : {0, 1, 2}) {
    train_epoch(hook, epoch);
  }
  EXPECT_THAT(run_.notes, ElementsAre("save epoch_3 last"));

  run_.notes.clear();
  const Hook never = started("save_last = false");
  train_epoch(never, 2);
  EXPECT_THAT(run_.notes, IsEmpty());
}

TEST_F(CheckpointHook, WaitsForTheDiskWhenToldTo) {
  const Hook hook = started("interval = 2\nasync_save = false");

  train_epoch(hook, 1);

  EXPECT_THAT(run_.notes, ElementsAre("save epoch_2 last waits"));
}

TEST_F(CheckpointHook, CountsFromSaveBegin) {
  const Hook hook = started("interval = 2\nsave_begin = 1\nsave_last = false");
  run_.at.max_epochs = 6;

  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    train_epoch(hook, epoch);
  }

  EXPECT_THAT(run_.notes,
              ElementsAre("save epoch_1 last", "save epoch_3 last", "save epoch_5 last"));
}

TEST_F(CheckpointHook, CountsIterationsInAnIterationLoop) {
  run_.at.by_epoch = 0;
  run_.at.max_epochs = 0;
  run_.at.max_iters = 5;
  const Hook hook = started("interval = 2");

  train_iters(hook, 5);

  EXPECT_THAT(run_.notes, ElementsAre("save iter_2 last", "save iter_4 last", "save iter_5 last"));
  EXPECT_EQ(run_.lines.front(), "Saving checkpoint at 2 iterations");
}

TEST_F(CheckpointHook, CountsIterationsInAnEpochLoopWhenToldTo) {
  const Hook hook = started("interval = 20\nby_epoch = false");

  train_iters(hook, 60);
  train_epoch(hook, 2);

  EXPECT_THAT(run_.notes,
              ElementsAre("save iter_20 last", "save iter_40 last", "save iter_60 last"));
}

TEST_F(CheckpointHook, PassesOnWhatToSaveAndWhere) {
  const Hook hook = started(
      "interval = 1\nout_dir = '/big/'\nsave_optimizer = false\nsave_param_scheduler = false\n"
      "filename_tmpl = 'e{}.pth'");

  train_epoch(hook, 0);

  EXPECT_THAT(run_.notes, ElementsAre("save /big/resnet/e1.pth -optimizer -schedulers last"));
  EXPECT_EQ(*hub_.text("last_ckpt"), "/big/resnet/e1.pth");
}

TEST_F(CheckpointHook, RemovesTheOldestAfterItsSuccessorIsSaved) {
  const Hook hook = started("interval = 1\nmax_keep_ckpts = 1");

  train_epoch(hook, 0);
  train_epoch(hook, 1);

  EXPECT_THAT(run_.notes, ElementsAre("save epoch_1 last", "save epoch_2 last", "remove epoch_1"));
  EXPECT_EQ(*hub_.text("keep_ckpt_ids"), "epoch_2");
}

TEST_F(CheckpointHook, RemovesNothingWhenSavingFails) {
  const Hook hook = started("interval = 1\nmax_keep_ckpts = 1");
  train_epoch(hook, 0);
  run_.saving_fails = true;

  EXPECT_THAT(refusal([&] { train_epoch(hook, 1); }, STRATA_E_IO), HasSubstr("the disk is full"));
  EXPECT_THAT(run_.notes, ElementsAre("save epoch_1 last"));
}

TEST_F(CheckpointHook, GoesOnWhenAnOldOneCannotBeRemoved) {
  const Hook hook = started("interval = 1\nmax_keep_ckpts = 1");
  run_.removing_fails = true;

  train_epoch(hook, 0);
  train_epoch(hook, 1);

  EXPECT_THAT(run_.lines.back(),
              AllOf(HasSubstr("W the old checkpoint epoch_1"), HasSubstr("permission denied")));
}

TEST_F(CheckpointHook, KeepsCountingOverAResume) {
  hub_.set("keep_ckpt_ids", "epoch_1\nepoch_2\nepoch_3");

  const Hook hook = started("interval = 1\nmax_keep_ckpts = 2");
  train_epoch(hook, 3);

  EXPECT_THAT(run_.notes, ElementsAre("remove epoch_1", "save epoch_4 last", "remove epoch_2"));
}

TEST_F(CheckpointHook, SavesTheBestAndRefreshesTheRegularOneInsteadOfSavingItAgain) {
  const Hook hook = started("interval = 1\nsave_best = 'accuracy'");

  train_epoch(hook, 0);
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", 45.12}});

  EXPECT_THAT(run_.notes,
              ElementsAre("save epoch_1 last",
                          "save best_accuracy_epoch_1 -optimizer -schedulers",
                          "refresh epoch_1"));
  EXPECT_EQ(
      run_.lines.back(),
      "The best checkpoint with 45.1200 accuracy at 1 epoch is saved to best_accuracy_epoch_1.");
  EXPECT_EQ(hub_.number("best_score"), 45.12);
  EXPECT_EQ(*hub_.text("best_ckpt"), "/runs/resnet/best_accuracy_epoch_1");
}

TEST_F(CheckpointHook, ReplacesTheBestOnlyByABetterOne) {
  const Hook hook = started("save_best = 'accuracy'");
  const auto validate = [&](int64_t epoch, double accuracy) {
    run_.at.epoch = epoch;
    fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", accuracy}});
  };

  validate(1, 50);
  validate(2, 50);
  validate(3, std::nan(""));
  validate(4, 60);

  EXPECT_THAT(run_.notes,
              ElementsAre("save best_accuracy_epoch_1 -optimizer -schedulers",
                          "save best_accuracy_epoch_4 -optimizer -schedulers",
                          "remove best_accuracy_epoch_1"));
}

TEST_F(CheckpointHook, KnowsTheBestScoreOfARunThatItResumes) {
  hub_.set("best_score", 55.0);
  hub_.set("best_ckpt", "/elsewhere/best_accuracy_epoch_9");
  const Hook hook = started("save_best = 'accuracy'");
  run_.at.epoch = 1;

  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", 54}});
  EXPECT_THAT(run_.notes, IsEmpty());

  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", 56}});
  EXPECT_THAT(
      run_.notes,
      ElementsAre("save best_accuracy_epoch_1 -optimizer -schedulers"));  // the other is not ours
}

TEST_F(CheckpointHook, WatchesSeveralMetricsApart) {
  const Hook hook = started("save_best = ['loss', 'coco/AP']\nrule = ['less', 'greater']");
  run_.at.epoch = 1;

  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"loss", 1}, {"coco/AP", 0.5}});
  run_.at.epoch = 2;
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"loss", 2}, {"coco/AP", 0.6}});

  EXPECT_THAT(run_.notes,
              ElementsAre("save best_loss_epoch_1 -optimizer -schedulers",
                          "save best_coco_AP_epoch_1 -optimizer -schedulers",
                          "save best_coco_AP_epoch_2 -optimizer -schedulers",
                          "remove best_coco_AP_epoch_1"));
  EXPECT_EQ(hub_.number("best_score_coco/AP"), 0.6);
  EXPECT_EQ(hub_.number("best_score_loss"), 1);
}

TEST_F(CheckpointHook, TakesTheFirstMetricAndItsRuleWithAuto) {
  const Hook hook = started("save_best = 'auto'");
  run_.at.epoch = 1;
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"val_loss", 2}, {"accuracy", 1}});
  run_.at.epoch = 2;
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"val_loss", 3}, {"accuracy", 9}});

  EXPECT_THAT(run_.notes, ElementsAre("save best_val_loss_epoch_1 -optimizer -schedulers"));
}

TEST_F(CheckpointHook, NamesTheMetricThatValidationDidNotGive) {
  const Hook hook = started("save_best = 'mAP'");

  EXPECT_THAT(
      refusal([&] { fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", 1}, {"top5", 2}}); },
              STRATA_E_NOT_FOUND),
      AllOf(HasSubstr("run.toml:1:"), HasSubstr("\"mAP\", validation gave: accuracy, top5")));
}

TEST_F(CheckpointHook, WarnsOfAValidationWithoutMetrics) {
  fire(started("save_best = 'auto'"), STRATA_POINT_AFTER_VAL_EPOCH);

  EXPECT_THAT(run_.lines, ElementsAre(HasSubstr("W save_best: the validation gave no metric")));
}

TEST_F(CheckpointHook, SavesNothingInAValidationWithoutTraining) {
  fire(make("CheckpointHook", "save_best = 'auto'"),
       STRATA_POINT_AFTER_VAL_EPOCH,
       {{"accuracy", 1}});

  EXPECT_THAT(run_.notes, IsEmpty());
}

TEST_F(CheckpointHook, PublishesTheLastAndTheBestAfterTraining) {
  const Hook hook = started(
      "interval = 1\nsave_best = ['accuracy', 'loss']\npublished_keys = ['state_dict', 'meta']");
  train_epoch(hook, 0);
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH, {{"accuracy", 1}, {"loss", 1}});
  train_epoch(hook, 1);
  run_.notes.clear();

  fire(hook, STRATA_POINT_AFTER_TRAIN);

  EXPECT_THAT(run_.notes,
              ElementsAre("publish epoch_2 state_dict meta",
                          "publish best_accuracy_epoch_1 state_dict meta",
                          "publish best_loss_epoch_1 state_dict meta"));
  EXPECT_EQ(run_.lines.back(),
            "The checkpoint (/runs/resnet/best_loss_epoch_1) is published to "
            "best_loss_epoch_1-0123abcd.safetensors.");
}

TEST_F(CheckpointHook, PublishesOnlyWhatItWasToldToAndWhatIsIts) {
  const Hook silent = started("interval = 1");
  train_epoch(silent, 0);
  run_.notes.clear();
  fire(silent, STRATA_POINT_AFTER_TRAIN);
  EXPECT_THAT(run_.notes, IsEmpty());

  const Hook hook =
      started("save_last = false\nsave_best = 'accuracy'\npublished_keys = 'state_dict'");
  hub_.set("best_ckpt", "/elsewhere/best_accuracy_epoch_9");
  fire(hook, STRATA_POINT_AFTER_TRAIN);
  EXPECT_THAT(run_.notes, IsEmpty());
  EXPECT_THAT(run_.lines.back(), HasSubstr("W the checkpoint /elsewhere/best_accuracy_epoch_9"));
}

TEST_F(CheckpointHook, RefusesTablesThatCannotWork) {
  const auto refused = [&](const std::string& toml) {
    return refusal([&] { (void)make("CheckpointHook", toml); }, STRATA_E_CONFIG);
  };
  EXPECT_THAT(refused("published_keys = ['state_dict', 'weights']"),
              AllOf(HasSubstr("run.toml:1:1: published_keys"), HasSubstr("no \"weights\"")));
  EXPECT_THAT(refused("published_keys = []"), HasSubstr("published_keys is empty"));
  EXPECT_THAT(refused("backend_args = { backend = 'petrel' }"),
              HasSubstr("run.toml:1:1: backend_args"));
  EXPECT_THAT(refused("filename_tmpl = 'epoch'"), HasSubstr("one {} for the number"));
  EXPECT_THAT(refused("filename_tmpl = '{}_{}'"), HasSubstr("one {} for the number"));
  EXPECT_THAT(refused("save_best = 'fid'"), HasSubstr("set rule = \"greater\" or \"less\""));
  EXPECT_THAT(refused("save_best = 'fid'\nrule = 'lower'"), HasSubstr("run.toml:2:1: rule is"));
  EXPECT_THAT(refused("save_best = ['auto', 'fid']"), HasSubstr("cannot stand in a list"));
  EXPECT_THAT(refused("save_best = ['a', 'b', 'c']\nrule = ['less', 'less']"),
              HasSubstr("2 rules for 3 metrics"));
}

}  // namespace
}  // namespace strata::hooks
