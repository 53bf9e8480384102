// What a run does and leaves behind.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <regex>
#include <sstream>

#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Training : public Scene {
 protected:
  /// The first line of the text in which `part` is; empty when there is none.
  static std::string line_with(const std::string& text, const std::string& part) {
    const size_t at = text.find(part);
    if (at == std::string::npos) {
      return {};
    }
    const size_t begin = text.rfind('\n', at) + 1;
    return text.substr(begin, text.find('\n', at) - begin);
  }

  /// Expects that the whole line matches.
  static void expect_match(const std::string& line, const std::string& pattern) {
    EXPECT_TRUE(std::regex_match(line, std::regex(pattern))) << line << "\nis not\n" << pattern;
  }

  [[nodiscard]] std::vector<std::string> keys_of(size_t line, const std::string& work) const {
    std::vector<std::string> out;
    const nlohmann::json found = scalars(work).at(line);
    for (const auto& [key, value] : found.items()) {
      out.push_back(key);
    }
    return out;
  }

  [[nodiscard]] std::vector<std::string> checkpoints(const std::string& work) const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(path(work))) {
      if (fs::exists(entry.path() / "index.json")) {
        out.push_back(entry.path().filename().string());
      }
    }
    std::ranges::sort(out);
    return out;
  }
};

constexpr const char* kTime = R"(\d\d/\d\d \d\d:\d\d:\d\d - strata - INFO - )";
constexpr const char* kNumbers =
    R"(  lr: \d\.\d{4}e[-+]\d\d  eta: \d+:\d\d:\d\d  time: \d+\.\d{4}  data_time: \d+\.\d{4}  )"
    R"(memory: \d+  loss: \d+\.\d{4})";

TEST_F(Training, LogsLinesAsMMEngineDoes) {
  const std::string text = train(config(std::string(kTwoEpochs) + kValidation), "work").out;
  const std::string wide = train(config(), "wide", {"--cfg-options", "train_cfg.max_iters=10"}).out;

  expect_match(line_with(text, "Epoch(train)"),
               std::string(kTime) + R"(Epoch\(train\) \[1\]\[1/8\])" + kNumbers);
  expect_match(line_with(wide, "Iter(train)"),
               std::string(kTime) + R"(Iter\(train\) \[ 1/10\])" + kNumbers);
  expect_match(line_with(text, "accuracy: "),
               std::string(kTime) + R"(Epoch\(val\) \[1\]\[8/8\]    accuracy: \d+\.\d{4}  )"
                                    R"(data_time: \d+\.\d{4}  time: \d+\.\d{4})");
  expect_match(line_with(text, "Saving"), std::string(kTime) + "Saving checkpoint at 1 epochs");
}

TEST_F(Training, WritesScalarsWithMMEnginesKeys) {
  train(config("[train_cfg]\nmax_epochs = 1\n" + std::string(kValidation)), "work");
  fs::path file;
  for (const auto& entry : fs::recursive_directory_iterator(path("work"))) {
    file = entry.path().filename() == "scalars.json" ? entry.path() : file;
  }
  std::istringstream lines(read_text(file));
  std::string first;
  std::getline(lines, first);

  expect_match(first,
               R"(\{"lr": [^,]+, "data_time": [^,]+, "loss": [^,]+, "time": [^,]+, "epoch": 1, )"
               R"("iter": 1, "memory": \d+, "comm_bytes": 0, "state_bytes": 789568, "step": 1\})");
  EXPECT_EQ(scalars("work").size(), 9U);
  EXPECT_THAT(keys_of(8, "work"),
              testing::UnorderedElementsAre("accuracy", "data_time", "time", "step"));
  EXPECT_EQ(scalars("work").back().at("step"), 1);
}

TEST_F(Training, LeavesAConfigThatGivesTheSameRun) {
  train(config(std::string(kTwoEpochs) + kValidation), "work");

  train("work/run.toml", "again");

  EXPECT_EQ(series("again", "loss"), series("work", "loss"));
  EXPECT_EQ(series("again", "accuracy"), series("work", "accuracy"));
}

TEST_F(Training, LearnsWhatTheImagesShow) {
  train(config("[train_cfg]\nmax_epochs = 12\nval_interval = 12\n" + std::string(kValidation)),
        "work");

  EXPECT_LT(series("work", "loss").back(), 0.5 * series("work", "loss").front());
  EXPECT_THAT(series("work", "accuracy"), ElementsAre(testing::Gt(80.0)));
}

TEST_F(Training, ValidatesEqualOnAnyNumberOfRanks) {
  const std::string file =
      config("[train_cfg]\nmax_epochs = 2\nval_interval = 2\n" + std::string(kValidation));
  train(file, "work");
  const std::vector<double> trained = series("work", "accuracy");
  ASSERT_EQ(trained.size(), 1U);
  EXPECT_GT(trained[0], 0);

  for (const char* ranks : {"1", "2", "3", "4"}) {
    const std::string work = std::string("val") + ranks;
    const Outcome outcome = run_strata(
        {"val", file, "--load-from", "work/epoch_2", "--work-dir", work, "--nproc", ranks});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(series(work, "accuracy"), trained) << ranks << " ranks";
  }
}

TEST_F(Training, CountsIterationsInAnIterationLoop) {
  const std::string file =
      config("[train_cfg]\nby_epoch = false\nmax_iters = 10\nval_interval = 4\n" +
             std::string(kValidation));

  const std::string text = train(file, "work").out;

  EXPECT_EQ(series("work", "loss").size(), 10U);  // past the end of the 8 batches
  EXPECT_EQ(series("work", "accuracy").size(), 3U);
  EXPECT_THAT(text, AllOf(HasSubstr("Iter(train) [10/10]"), HasSubstr("Iter(val) [8/8]")));
  EXPECT_EQ(checkpoints("work"), std::vector<std::string>{"iter_10"});
}

TEST_F(Training, KeepsAsManyCheckpointsAsAsked) {
  train(
      config("[train_cfg]\nmax_epochs = 4\n[default_hooks]\ncheckpoint = { max_keep_ckpts = 2 }\n"),
      "work");

  EXPECT_THAT(checkpoints("work"), ElementsAre("epoch_3", "epoch_4"));
  EXPECT_EQ(read_text(path("work/last_checkpoint")), path("work/epoch_4").string() + "\n");
}

TEST_F(Training, KeepsTheBestCheckpoint) {
  const Outcome outcome =
      train(config("[train_cfg]\nmax_epochs = 4\n[default_hooks]\n"
                   "checkpoint = { max_keep_ckpts = 1, save_best = \"auto\" }\n" +
                   std::string(kValidation)),
            "work");
  const std::vector<double> accuracy = series("work", "accuracy");
  ASSERT_EQ(accuracy.size(), 4U);
  const auto best = std::ranges::max_element(accuracy) - accuracy.begin() + 1;

  EXPECT_THAT(checkpoints("work"),
              ElementsAre("best_accuracy_epoch_" + std::to_string(best), "epoch_4"));
  EXPECT_THAT(
      outcome.out,
      HasSubstr(" accuracy at " + std::to_string(best) + " epoch is saved to best_accuracy"));
}

TEST_F(Training, RunsWithoutATimer) {
  train(config(std::string(kThreeIterations) + "[default_hooks]\ntimer = false\n"), "work");

  EXPECT_TRUE(series("work", "time").empty());
  expect_match(line_with(log_of("work"), "Iter(train) [1/3]"),
               R"(.*Iter\(train\) \[1/3\]  lr: 3\.0000e-03  memory: \d+  loss: \d\.\d{4})");
}

TEST_F(Training, StartsFromWeightsAlone) {
  const std::string file = config("[train_cfg]\nmax_epochs = 4\n");
  train(file, "first");
  fs::copy_file(path("first/epoch_4/model.safetensors"), path("weights.safetensors"));

  train(file, "second", {"--load-from", "weights.safetensors"});

  EXPECT_EQ(series("second", "iter").front(), 1);
  EXPECT_LT(series("second", "loss").front(), 0.8 * series("first", "loss").front());
}

TEST_F(Training, WarnsOfWeightsThatTheModelHasNot) {
  train(config(), "first");

  const Outcome outcome = train(
      config(), "second", {"--load-from", "first/iter_3", "--cfg-options", "model.hidden=[8,8]"});

  EXPECT_THAT(outcome.out, AllOf(HasSubstr("do not match"), HasSubstr("missing in the file")));
}

TEST_F(Training, IsTheSameWithAnyNumberOfWorkers) {
  const std::string file = config(kTwoEpochs);
  train(file, "w0", {"--cfg-options", "train_dataloader.num_workers=0"});
  train(file, "w1", {"--cfg-options", "train_dataloader.num_workers=1"});
  train(file, "w3", {"--cfg-options", "train_dataloader.num_workers=3"});

  EXPECT_EQ(series("w0", "loss").size(), 16U);
  EXPECT_EQ(series("w1", "loss"), series("w0", "loss"));
  EXPECT_EQ(series("w3", "loss"), series("w0", "loss"));
}

TEST_F(Training, DrivesTheLearningRateAlongAListOfSchedules) {
  train(config("[train_cfg]\nmax_epochs = 1\n"
               "[[param_scheduler]]\ntype = \"LinearLR\"\nstart_factor = 0.1\nby_epoch = "
               "false\nend = 3\n"
               "[[param_scheduler]]\ntype = \"CosineAnnealingLR\"\nby_epoch = false\nbegin = 3\n"),
        "work");

  // A rise over iterations 1 to 3, then half a cosine over the 5 that are left.
  std::vector<testing::Matcher<double>> expected;
  for (const double factor : {0.1, 0.55, 1.0}) {
    expected.emplace_back(testing::DoubleNear(3e-3 * factor, 1e-15));
  }
  for (int k = 0; k < 5; ++k) {
    expected.emplace_back(
        testing::DoubleNear(3e-3 * (1 + std::cos(std::numbers::pi * k / 5)) / 2, 1e-15));
  }
  EXPECT_THAT(series("work", "lr"), testing::ElementsAreArray(expected));
}

TEST_F(Training, InBf16IsNearFp32) {
  train(config(kTwoEpochs), "fp32");
  train(config(std::string(kTwoEpochs) +
               "[optim_wrapper]\ntype = \"AmpOptimWrapper\"\ndtype = \"bfloat16\"\n"),
        "bf16");

  const std::vector<double> fp32 = series("fp32", "loss");
  const std::vector<double> bf16 = series("bf16", "loss");
  ASSERT_EQ(bf16.size(), fp32.size());
  EXPECT_NE(bf16, fp32);
  for (size_t i = 0; i < fp32.size(); ++i) {
    EXPECT_NEAR(bf16[i], fp32[i], 0.03 * fp32[i]) << "iteration " << i + 1;
  }
}

TEST_F(Training, LogsTheNormOfClippedGradients) {
  const std::string free = config(kThreeIterations, "free");
  const std::string clipped =
      config(std::string(kThreeIterations) + "[optim_wrapper]\nclip_grad = { max_norm = 1e-3 }\n",
             "clipped");
  train(free, "free");
  train(clipped, "clipped");

  EXPECT_THAT(series("clipped", "grad_norm"), AllOf(testing::SizeIs(3), Each(testing::Gt(1e-3))));
  EXPECT_TRUE(series("free", "grad_norm").empty());
  EXPECT_THAT(log_of("clipped"), HasSubstr("  grad_norm: "));
}

TEST_F(Training, WritesIntoAFolderOfAnyName) {
  train(config(), R"(a "quoted" \ folder)");

  EXPECT_THAT(checkpoints(R"(a "quoted" \ folder)"), ElementsAre("iter_3"));
}

// Two state numbers per element: 16 bytes for each of the MLP's 49,338 parameters, and a little padding.
TEST_F(Training, LogsItsStatesBesideTheEstimate) {
  const std::string log = train(config(), "work").out;

  expect_match(
      line_with(log, "Model states"),
      std::string(kTime) +
          R"(Model states on rank 0: 771\.1 KiB \(parameters 192\.8 KiB, gradients 192\.8 )"
          R"(KiB, optimizer 385\.5 KiB\); estimated: 770\.9 KiB)");
}

TEST_F(Training, CountsTheBytesOfAStepWithAllItsMicroBatches) {
  const std::string run =
      "train_cfg = { by_epoch = false, max_iters = 4 }\n"
      "[optim_wrapper]\naccumulative_counts = 2\n";
  const std::string flat = "strategy.type = \"FlatStrategy\"\n";
  train(config(run, "ddp"), "ddp", {"--nproc", "2"});
  train(config(kTestPlugins + (flat + run), "flat"), "flat", {"--nproc", "2"});
  const std::vector<double> ddp_sent = series("ddp", "comm_bytes");
  const std::vector<double> flat_sent = series("flat", "comm_bytes");

  // A sum over 2 ranks sends the gradients once, in the last micro-batch of a step.
  constexpr double kGradients = 49'338 * 4;
  const auto once = testing::DoubleNear(kGradients, 0.01 * kGradients);
  EXPECT_THAT(ddp_sent, ElementsAre(0, once, once, once));
  // Two gathers and a reduction of half the model, in each micro-batch.
  const auto thrice = testing::DoubleNear(3 * kGradients, 0.03 * kGradients);
  EXPECT_THAT(flat_sent, ElementsAre(0, thrice, thrice, thrice));
  EXPECT_NEAR(series("flat", "state_bytes")[3], series("ddp", "state_bytes")[3] / 2, 4e3);
}

TEST_F(Training, OnTwoRanksWritesOneLog) {
  const Outcome outcome = train(config(kTwoEpochs), "work", {"--nproc", "2"});

  EXPECT_EQ(series("work", "loss").size(), 8U);
  const size_t first = outcome.out.find("Epoch(train) [1][1/4]");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(outcome.out.find("Epoch(train) [1][1/4]", first + 1), std::string::npos);
  EXPECT_THAT(outcome.err, Not(HasSubstr("error")));
}

}  // namespace
}  // namespace strata::test
