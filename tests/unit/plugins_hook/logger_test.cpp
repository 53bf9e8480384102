// Tests of LoggerHook: when it logs, at which step, and where its copies go.
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <gmock/gmock.h>

#include "hook_plugin.hpp"

namespace strata::hooks {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class LoggerHook : public HookPluginTest {
 protected:
  /// One epoch of `n` iterations, from iteration `first` of the run on.
  void epoch(const border::Object<strata_hook_api>& hook, int64_t n, int64_t first = 0) {
    run_.at.epoch_length = run_.at.loop_length = n;
    for (int64_t i = 0; i < n; ++i) {
      run_.at.iter = first + i;
      run_.at.inner_iter = i;
      fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {}, i);
    }
  }
};

TEST_F(LoggerHook, LogsEveryIntervalOfAnEpochAndSkipsItsTail) {
  epoch(make("LoggerHook"), 25, 100);

  EXPECT_THAT(
      run_.lines,
      ElementsAre(
          "line of 9 in mode 0", "line of 19 in mode 0", "Exp name: resnet_20240131_235959"));
  EXPECT_THAT(run_.notes, ElementsAre("scalars loss 0.5 at 110", "scalars loss 0.5 at 120"));
}

TEST_F(LoggerHook, LogsTheTailWhenAskedTo) {
  epoch(make("LoggerHook", "ignore_last = false"), 12);

  EXPECT_THAT(run_.notes, ElementsAre("scalars loss 0.5 at 10", "scalars loss 0.5 at 12"));
}

TEST_F(LoggerHook, LogsTheEndOfAnEpochShorterThanTheInterval) {
  epoch(make("LoggerHook"), 3);

  EXPECT_THAT(run_.notes, ElementsAre("scalars loss 0.5 at 3"));
}

TEST_F(LoggerHook, LogsTheEndOfAnIterationLoopShorterThanTheInterval) {
  const auto hook = make("LoggerHook");
  run_.at.by_epoch = 0;
  run_.at.max_iters = 5;
  for (run_.at.iter = 0; run_.at.iter < 5; ++run_.at.iter) {
    fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {}, run_.at.iter);
  }

  EXPECT_THAT(run_.notes, ElementsAre("scalars loss 0.5 at 5"));
}

TEST_F(LoggerHook, NamesTheRunAtItsOwnInterval) {
  const auto hook = make("LoggerHook", "interval = 100\ninterval_exp_name = 2");
  run_.at.iter = 1;

  fire(hook, STRATA_POINT_AFTER_TRAIN_ITER, {}, 1);

  EXPECT_THAT(run_.lines, ElementsAre("Exp name: resnet_20240131_235959"));
}

TEST_F(LoggerHook, ShowsProgressOfAValidationAndItsSummaryAtTheEpoch) {
  const auto hook = make("LoggerHook");
  run_.at.epoch = 2;
  run_.at.iter = 40;
  run_.at.loop_length = 79;
  run_.at.mode = STRATA_MODE_VAL;

  fire(hook, STRATA_POINT_AFTER_VAL_ITER, {}, 8);
  fire(hook, STRATA_POINT_AFTER_VAL_ITER, {}, 9);
  fire(hook, STRATA_POINT_AFTER_VAL_EPOCH);

  EXPECT_THAT(run_.lines, ElementsAre("line of 9 in mode 1", "summary of 79 in mode 1"));
  EXPECT_THAT(run_.notes, ElementsAre("scalars accuracy 50 at 2"));
}

TEST_F(LoggerHook, PutsMetricsAtTheIterationWhereTheLoopCountsThemOrTheTableSaysSo) {
  run_.at.epoch = 2;
  run_.at.iter = 40;
  fire(make("LoggerHook", "log_metric_by_epoch = false"), STRATA_POINT_AFTER_VAL_EPOCH);
  run_.at.by_epoch = 0;
  fire(make("LoggerHook"), STRATA_POINT_AFTER_VAL_EPOCH);

  EXPECT_THAT(run_.notes, ElementsAre("scalars accuracy 50 at 40", "scalars accuracy 50 at 40"));
}

TEST_F(LoggerHook, RefusesToDropLogsThatItDoesNotCopy) {
  EXPECT_THAT(refusal([&] { (void)make("LoggerHook", "keep_local = false"); }, STRATA_E_CONFIG),
              HasSubstr("name an out_dir"));
}

class LoggerHookFiles : public LoggerHook {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / text("strata_logger_", ::getpid());
    run_.work_dir_ = (dir_ / "runs/resnet").string();
    run_.log_dir_ = (dir_ / "runs/resnet/20240131_235959").string();
    fs::create_directories(fs::path(run_.log_dir_) / "vis_data");
    for (const char* file : {"20240131_235959.log", "weights.bin", "vis_data/scalars.json"}) {
      std::ofstream(fs::path(run_.log_dir_) / file) << file;
    }
  }

  void TearDown() override { fs::remove_all(dir_); }

  [[nodiscard]] static std::vector<std::string> files(const fs::path& folder) {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) {
        out.push_back(fs::relative(entry.path(), folder).string());
      }
    }
    return out;
  }

  [[nodiscard]] std::string out_dir() const {
    return "out_dir = '" + (dir_ / "out").string() + "'\n";
  }

  fs::path dir_;
};

TEST_F(LoggerHookFiles, WritesTestMetricsBesideTheLogOnRankZero) {
  run_.rank_ = 1;
  fire(make("LoggerHook"), STRATA_POINT_AFTER_TEST_EPOCH);
  EXPECT_FALSE(fs::exists(fs::path(run_.log_dir_) / "20240131_235959.json"));

  run_.rank_ = 0;
  fire(make("LoggerHook"), STRATA_POINT_AFTER_TEST_EPOCH);

  std::ostringstream json;
  json << std::ifstream(fs::path(run_.log_dir_) / "20240131_235959.json").rdbuf();
  EXPECT_EQ(json.str(), "{\"accuracy\": 50.0, \"time\": 0.25}\n");
}

TEST_F(LoggerHookFiles, CopiesLogsBelowTheNameOfTheWorkDir) {
  fire(make("LoggerHook", out_dir()), STRATA_POINT_AFTER_RUN);

  EXPECT_THAT(files(dir_ / "out"),
              UnorderedElementsAre("resnet/20240131_235959.log", "resnet/vis_data/scalars.json"));
  EXPECT_EQ(files(run_.log_dir_).size(), 3U);
}

TEST_F(LoggerHookFiles, RemovesWhatItCopiedWhenToldTo) {
  fire(make("LoggerHook", out_dir() + "keep_local = false\nout_suffix = ['.log']"),
       STRATA_POINT_AFTER_RUN);

  EXPECT_THAT(files(dir_ / "out"), UnorderedElementsAre("resnet/20240131_235959.log"));
  EXPECT_THAT(files(run_.log_dir_), UnorderedElementsAre("weights.bin", "vis_data/scalars.json"));
}

TEST_F(LoggerHookFiles, CopiesNothingOnOtherRanks) {
  run_.rank_ = 1;

  fire(make("LoggerHook", out_dir()), STRATA_POINT_AFTER_RUN);

  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(LoggerHookFiles, NamesTheFolderItCannotCopyTo) {
  std::ofstream(dir_ / "out") << "a file";
  const auto hook = make("LoggerHook", out_dir());

  EXPECT_THAT(refusal([&] { fire(hook, STRATA_POINT_AFTER_RUN); }, STRATA_E_IO),
              HasSubstr("cannot copy the logs to " + (dir_ / "out/resnet").string()));
}

}  // namespace
}  // namespace strata::hooks
