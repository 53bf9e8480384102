// Tests of log lines against lines that MMEngine wrote.
#include "hooks/log_processor.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

#include "config/parse.hpp"

namespace strata::hooks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

strata_progress epoch_loop() {
  strata_progress p = {};
  p.max_epochs = 10;
  p.max_iters = 1960;
  p.epoch_length = p.loop_length = 196;
  p.iter = p.inner_iter = 9;
  p.by_epoch = 1;
  return p;
}

strata_progress iter_loop() {
  strata_progress p = {};
  p.max_iters = 10000;
  p.epoch_length = p.loop_length = 196;
  p.iter = 9;
  return p;
}

strata_progress validation(strata_progress p, int64_t epoch, int64_t batches) {
  p.mode = STRATA_MODE_VAL;
  p.epoch = epoch;
  p.loop_length = batches;
  return p;
}

class LogProcessorTest : public testing::Test {
 protected:
  LogProcessor processor(const std::string& toml = "") {
    const config::Value table = config::parse_toml(toml, "run.toml");
    return {parse_log_options(&table),
            hub_,
            {[this](std::span<double> v) { mean_(v); }, [] { return 970; }}};
  }

  /// What the first line of the seed's run saw.
  void first_line() {
    hub_.update_scalar("train/lr", 1e-3 / 3);
    hub_.update_scalar("train/data_time", 0.0335);
    hub_.update_scalar("train/loss", 6.1887);
    hub_.update_scalar("train/time", 0.4073);
    hub_.set("eta", 794.9, false);
  }

  MessageHub hub_;
  std::function<void(std::span<double>)> mean_ = [](std::span<double>) {};
};

TEST_F(LogProcessorTest, PutsWhatTheLineDoesNotShowBehindTheTags) {
  LogSources sources{[](std::span<double>) {}, [] { return 970; }};
  sources.unshown = [] { return Scalars{{"comm_bytes", 64}}; };
  LogProcessor with({}, hub_, std::move(sources));
  const LogLine plain = processor().after_iter(epoch_loop(), 9);

  const LogLine line = with.after_iter(epoch_loop(), 9);

  EXPECT_EQ(line.text, plain.text);
  EXPECT_THAT(line.tags, testing::Contains(Pair("comm_bytes", 64)));
  EXPECT_EQ(line.tags.size(), plain.tags.size() + 1);
}

TEST_F(LogProcessorTest, WritesTheSeedsFirstLineToTheCharacter) {
  first_line();

  EXPECT_EQ(processor().after_iter(epoch_loop(), 9).text,
            "Epoch(train)  [1][ 10/196]  lr: 3.3333e-04  eta: 0:13:14  time: 0.4073  data_time: "
            "0.0335  memory: 970  "
            "loss: 6.1887");
}

TEST_F(LogProcessorTest, AlignsEpochAndIterationToTheirLargest) {
  strata_progress p = epoch_loop();
  p.epoch = 9;
  EXPECT_THAT(processor().after_iter(p, 99).text, HasSubstr("Epoch(train) [10][100/196]  "));

  p.max_epochs = 100;
  EXPECT_THAT(processor().after_iter(p, 8).text, HasSubstr("Epoch(train)  [10][  9/196]  "));
}

TEST_F(LogProcessorTest, CountsOverTheRunInAnIterationLoop) {
  hub_.update_scalar("train/base_lr", 1e-3);
  hub_.update_scalar("train/lr", 1e-4);
  hub_.update_scalar("train/data_time", 0.5);
  hub_.update_scalar("train/grad_norm", 2);
  hub_.update_scalar("train/loss", 1);
  hub_.update_scalar("train/time", 0.25);
  hub_.set("eta", 93784.0, false);

  EXPECT_EQ(processor().after_iter(iter_loop(), 9).text,
            "Iter(train) [   10/10000]  base_lr: 1.0000e-03 lr: 1.0000e-04  eta: 1 day, 2:03:04  "
            "time: 0.2500  "
            "data_time: 0.5000  memory: 970  grad_norm: 2.0000  loss: 1.0000");
}

TEST_F(LogProcessorTest, GivesTheTagsOfScalarsJsonInMmenginesOrder) {
  first_line();

  EXPECT_THAT(processor().after_iter(epoch_loop(), 9).tags,
              ElementsAre(Pair("lr", 1e-3 / 3),
                          Pair("data_time", 0.0335),
                          Pair("loss", 6.1887),
                          Pair("time", 0.4073),
                          Pair("epoch", 1),
                          Pair("iter", 10),
                          Pair("memory", 970)));
}

TEST_F(LogProcessorTest, LeavesTheEpochOutOfTheTagsOfAnIterationLoop) {
  EXPECT_THAT(processor().after_iter(iter_loop(), 9).tags,
              ElementsAre(Pair("iter", 10), Pair("memory", 970)));
}

TEST_F(LogProcessorTest, AveragesLossesOverTheWindowAndShowsTheLatestOfTheRest) {
  for (const double value : {100, 1, 3}) {
    hub_.update_scalar("train/loss_cls", value);
    hub_.update_scalar("train/acc", value);
  }

  EXPECT_THAT(processor("window_size = 2").after_iter(epoch_loop(), 9).text,
              HasSubstr("memory: 970  loss_cls: 2.0000  acc: 3.0000"));
}

TEST_F(LogProcessorTest, ShowsMeansOverRanksReducedOnceAndNeverLearningRates) {
  first_line();
  int calls = 0;
  mean_ = [&](std::span<double> values) {
    ++calls;
    EXPECT_THAT(values, ElementsAre(0.0335, 6.1887, 0.4073));
    values[1] = 7;
  };

  EXPECT_THAT(processor().after_iter(epoch_loop(), 9).text,
              HasSubstr("lr: 3.3333e-04  eta: 0:13:14  time: 0.4073  "
                        "data_time: 0.0335  memory: 970  loss: 7.0000"));
  EXPECT_EQ(calls, 1);
}

TEST_F(LogProcessorTest, WritesValidationProgressAsMmengineDoes) {
  hub_.update_scalar("val/data_time", 0.0120);
  hub_.update_scalar("val/time", 0.0162);
  hub_.set("eta", 1.1, false);
  mean_ = [](std::span<double>) { FAIL() << "validation lines are not reduced"; };

  EXPECT_EQ(
      processor().after_iter(validation(epoch_loop(), 1, 79), 9).text,
      "Epoch(val)  [1][10/79]    eta: 0:00:01  time: 0.0162  data_time: 0.0120  memory: 970  ");
}

TEST_F(LogProcessorTest, WritesTheSummaryOfAValidationAsMmengineDoes) {
  for (const double time : {0.9, 0.04, 0.0576}) {
    hub_.update_scalar("val/data_time", 0.034);
    hub_.update_scalar("val/time", time);
  }
  hub_.update_scalar("val/accuracy", 12);
  hub_.update_scalar("val/accuracy", 45.12);
  hub_.set("val/note", "half");

  const LogLine line = processor().after_epoch(validation(epoch_loop(), 1, 79), 2);

  EXPECT_EQ(
      line.text,
      "Epoch(val) [1][2/2]    accuracy: 45.1200  note: half  data_time: 0.0340  time: 0.0488");
  EXPECT_THAT(line.tags,
              ElementsAre(Pair("accuracy", 45.12),
                          Pair("data_time", 0.034),
                          Pair("time", testing::DoubleEq(0.0488))));
}

TEST_F(LogProcessorTest, TakesTheLatestLossOfAValidationNotAMeanOverEpochs) {
  hub_.update_scalar("val/loss", 9);
  hub_.update_scalar("val/loss", 1);

  EXPECT_THAT(processor().after_epoch(validation(epoch_loop(), 2, 79), 79).text,
              HasSubstr("loss: 1.0000"));
}

TEST_F(LogProcessorTest, NamesNoEpochInTestsAndIterationLoops) {
  strata_progress p = validation(epoch_loop(), 1, 79);
  p.mode = STRATA_MODE_TEST;
  EXPECT_EQ(processor().after_epoch(p, 79).text, "Epoch(test) [79/79]    ");
  EXPECT_THAT(processor().after_iter(p, 9).text, HasSubstr("Epoch(test) [10/79]  "));
  EXPECT_EQ(processor().after_epoch(validation(iter_loop(), 0, 79), 79).text,
            "Iter(val) [79/79]    ");
  EXPECT_THAT(processor().after_iter(validation(iter_loop(), 0, 79), 9).text,
              HasSubstr("Iter(val) [10/79]  "));
}

TEST_F(LogProcessorTest, FollowsByEpochOfItsTableAgainstTheLoop) {
  EXPECT_THAT(processor("by_epoch = false").after_iter(epoch_loop(), 9).text,
              HasSubstr("Iter(train) [  10/1960]  "));
}

TEST_F(LogProcessorTest, AddsOrReplacesWhatCustomCfgAsksFor) {
  for (const double value : {4, 1, 3}) {
    hub_.update_scalar("train/loss", value);
  }

  const LogLine line =
      processor(
          "custom_cfg = [{data_src = 'loss', method_name = 'min', window_size = 'epoch'},"
          "{data_src = 'loss', log_name = 'top_loss', method_name = 'max', window_size = 2},"
          "{data_src = 'loss', log_name = 'all_loss', window_size = 'global'}]")
          .after_iter(epoch_loop(), 2);

  EXPECT_THAT(line.text, HasSubstr("loss: 1.0000  top_loss: 3.0000  all_loss: 2.6667"));
}

TEST_F(LogProcessorTest, KeepsTheModeInTagsWithHierarchy) {
  first_line();

  const LogLine line = processor("log_with_hierarchy = true").after_iter(epoch_loop(), 9);

  EXPECT_EQ(line.tags[0].first, "train/lr");
  EXPECT_EQ(line.tags[4].first, "epoch");
  EXPECT_THAT(line.text, HasSubstr("  lr: 3.3333e-04  eta"));
}

TEST_F(LogProcessorTest, WritesNanWithoutASign) {
  hub_.update_scalar("train/loss", std::copysign(std::nan(""), -1));

  EXPECT_THAT(processor().after_iter(epoch_loop(), 9).text, HasSubstr("loss: nan"));
}

// Expected texts: str(datetime.timedelta(seconds=int(x))) of CPython.
TEST(DurationText, IsPythonsTimedelta) {
  EXPECT_EQ(duration_text(794.9), "0:13:14");
  EXPECT_EQ(duration_text(86399), "23:59:59");
  EXPECT_EQ(duration_text(86400), "1 day, 0:00:00");
  EXPECT_EQ(duration_text(200000), "2 days, 7:33:20");
  EXPECT_EQ(duration_text(-5), "0:00:00");
  EXPECT_EQ(duration_text(std::nan("")), "0:00:00");
}

std::string processor_refusal(const std::string& toml) {
  const config::Value table = config::parse_toml(toml, "run.toml");
  try {
    parse_log_options(&table);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.what();
  }
  return "no error";
}

TEST(LogOptions, NameTheKeyThatIsWrong) {
  EXPECT_THAT(processor_refusal("windowsize = 3"),
              HasSubstr("run.toml:1:1: unknown key \"windowsize\" in log_processor; did you"));
  EXPECT_THAT(processor_refusal("window_size = 0"), HasSubstr("window_size must be 1 or more"));
  EXPECT_THAT(processor_refusal("num_digits = -1"), HasSubstr("num_digits must be 0 to 17"));
  EXPECT_THAT(processor_refusal("mean_pattern = '('"), HasSubstr("no regular expression"));
  EXPECT_THAT(processor_refusal("type = 'MyProcessor'"), HasSubstr("there is no \"MyProcessor\""));
}

TEST(LogOptions, RefuseCustomCfgThatCannotWork) {
  EXPECT_THAT(processor_refusal("custom_cfg = [{data_src = 'a'}, {data_src = 'a'}]"),
              HasSubstr("under \"a\""));
  EXPECT_THAT(processor_refusal("custom_cfg = [{data_src = 'a', method_name = 'sum'}]"),
              HasSubstr("not \"sum\""));
  EXPECT_THAT(processor_refusal("custom_cfg = [{data_src = 'a', window_size = 'all'}]"),
              HasSubstr("\"global\", not \"all\""));
  EXPECT_THAT(
      processor_refusal("by_epoch = false\ncustom_cfg = [{data_src = 'a', window_size = 'epoch'}]"),
      HasSubstr("cannot go with by_epoch = false"));
}

}  // namespace
}  // namespace strata::hooks
