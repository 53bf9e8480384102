// A resumed run ends as the uninterrupted one, to the bit.
#include <algorithm>

#include "scene.hpp"
#include "stored_tensors.hpp"

namespace strata::test {
namespace {

constexpr const char* kSchedule = R"(
[[param_scheduler]]
type = "LinearLR"
by_epoch = false
end = 5
[[param_scheduler]]
type = "CosineAnnealingLR"
by_epoch = false
begin = 5
)";

class Resume : public Scene {
 protected:
  /// Runs 2 epochs, then the second one again from epoch_1, and compares. Both with `ranks`.
  void expect_equal_ends(const std::string& text, const std::string& ranks) const {
    const std::string file = config(kTwoEpochs + text);
    train(file, "whole", {"--nproc", ranks});
    train(file, "resumed", {"--nproc", ranks, "--resume", "whole/epoch_1"});
    expect_tail("resumed", "loss");
    expect_tail("resumed", "lr");
    expect_same_weights("whole/epoch_2", "resumed/epoch_2");
  }

  /// The run's numbers are the last ones of `whole`.
  void expect_tail(const std::string& work, const std::string& key) const {
    const std::vector<double> all = series("whole", key);
    const std::vector<double> tail = series(work, key);
    ASSERT_FALSE(tail.empty());
    ASSERT_LT(tail.size(), all.size());
    EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), all.rbegin()))
        << key << ": " << testing::PrintToString(tail) << " is no end of "
        << testing::PrintToString(all);
  }

  void expect_same_weights(const std::string& a, const std::string& b) const {
    EXPECT_EQ(differences(path(a), path(b)), "");
  }

  [[nodiscard]] nlohmann::json counters(const std::string& checkpoint) const {
    const auto state = nlohmann::json::parse(read_text(path(checkpoint) / "state.json"));
    nlohmann::json out;
    for (const char* key : {"epoch", "iter", "step"}) {
      out[key] = state.at("meta").at(key);
    }
    return out;
  }
};

TEST_F(Resume, AtAnEpochsEndChangesNothing) {
  expect_equal_ends(kSchedule, "1");

  EXPECT_EQ(counters("whole/epoch_1"), (nlohmann::json{{"epoch", 1}, {"iter", 8}, {"step", 8}}));
}

// Of a save that training waits for, the log says first that it is on the disk, then the next iteration.
TEST_F(Resume, FromASynchronousSaveChangesNothing) {
  expect_equal_ends(
      "[default_hooks.checkpoint]\ntype = \"CheckpointHook\"\nasync_save = false\ninterval = 1\n",
      "2");

  const std::string log = log_of("whole");
  const size_t saved = log.find("Checkpoint epoch_1 is on the disk");
  ASSERT_NE(saved, std::string::npos);
  EXPECT_LT(saved, log.find("Epoch(train) [2]"));
}

TEST_F(Resume, OnTwoRanksChangesNothing) {
  expect_equal_ends(kSchedule, "2");

  EXPECT_EQ(counters("whole/epoch_1"), (nlohmann::json{{"epoch", 1}, {"iter", 4}, {"step", 4}}));
}

// The window of iterations 7 to 9 holds the end of the epoch, so the checkpoint comes after it.
TEST_F(Resume, InsideAnAccumulationWindowChangesNothing) {
  expect_equal_ends(std::string(kSchedule) + "[optim_wrapper]\naccumulative_counts = 3\n", "1");

  EXPECT_EQ(counters("whole/epoch_1"), (nlohmann::json{{"epoch", 1}, {"iter", 9}, {"step", 3}}));
}

TEST_F(Resume, InsideAnAccumulationWindowOfTwoRanksChangesNothing) {
  expect_equal_ends(std::string(kSchedule) + "[optim_wrapper]\naccumulative_counts = 3\n", "2");

  EXPECT_EQ(counters("whole/epoch_1"), (nlohmann::json{{"epoch", 1}, {"iter", 6}, {"step", 2}}));
}

TEST_F(Resume, OfAShardingStrategyChangesNothing) {
  const std::string file = config(kTestPlugins + ("strategy.type = \"FlatStrategy\"\n" +
                                                  (kTwoEpochs + std::string(kSchedule))));
  const std::string ddp = config(std::string(kTwoEpochs) + kSchedule, "ddp");
  train(file, "whole", {"--nproc", "2"});

  train(file, "resumed", {"--nproc", "2", "--resume", "whole/epoch_1"});
  train(ddp, "ddp", {"--nproc", "2"});

  expect_tail("resumed", "loss");
  expect_same_weights("whole/epoch_2", "resumed/epoch_2");
  expect_same_weights("whole/epoch_2", "ddp/epoch_2");
}

// A checkpoint is due after iteration 4, inside the window of iterations 4 to 6, which the stop after 5 leaves open.
TEST_F(Resume, GoesOnFromACheckpointThatWaitedWhenTrainingStopped) {
  const std::string file =
      config(std::string(kTestPlugins) +
             "train_cfg = { by_epoch = false, max_iters = 12 }\n"
             "custom_hooks = [{ type = \"StopHook\", after = 5 }]\n"
             "[optim_wrapper]\naccumulative_counts = 3\n"
             "[default_hooks]\ncheckpoint = { interval = 4, max_keep_ckpts = 1 }\n");

  const Outcome outcome = train(file, "work");

  EXPECT_EQ(counters("work/iter_4"), (nlohmann::json{{"epoch", 1}, {"iter", 5}, {"step", 1}}));
  EXPECT_THAT(outcome.out, testing::HasSubstr("the gradients since update 1 are dropped"));

  const Outcome resumed = train(file, "resumed", {"--resume", "work/iter_4"});
  EXPECT_EQ(series("resumed", "iter").front(), 6);
  EXPECT_THAT(resumed.out, testing::HasSubstr("no multiple of accumulative_counts = 3"));
}

TEST_F(Resume, GoesOnInTheEpochInWhichTrainingStopped) {
  const std::string text = std::string(kTestPlugins) + kTwoEpochs;
  train(config(text, "whole"), "whole");
  train(config(text + "[[custom_hooks]]\ntype = \"StopHook\"\nafter = 3\n", "stopped"), "stopped");

  EXPECT_EQ(counters("stopped/epoch_1"), (nlohmann::json{{"epoch", 0}, {"iter", 3}, {"step", 3}}));
  train("whole.toml", "resumed", {"--resume", "stopped/epoch_1"});
  expect_tail("resumed", "loss");
  EXPECT_EQ(series("resumed", "iter").front(), 4);
}

TEST_F(Resume, OfAnIterationLoopChangesNothing) {
  const std::string file = config(
      "[train_cfg]\nby_epoch = false\nmax_iters = 12\n[default_hooks]\ncheckpoint = { interval = 5 "
      "}\n" +
      std::string(kSchedule));
  train(file, "whole");

  train(file, "resumed", {"--resume", "whole/iter_5"});

  expect_tail("resumed", "loss");
  expect_tail("resumed", "lr");
  expect_same_weights("whole/iter_12", "resumed/iter_12");
}

TEST_F(Resume, WithoutAPathGoesOnFromTheLastCheckpoint) {
  const std::string file = config(kTwoEpochs);
  train(file, "whole");
  train(file, "parts", {"--cfg-options", "train_cfg.max_epochs=1"});

  train(file, "parts", {"--resume"});

  EXPECT_EQ(series("parts", "loss"), series("whole", "loss"));
  expect_same_weights("whole/epoch_2", "parts/epoch_2");
}

TEST_F(Resume, WithoutACheckpointBeginsFromScratch) {
  train(config(), "work", {"--resume"});

  EXPECT_EQ(series("work", "iter"), (std::vector<double>{1, 2, 3}));
}

TEST_F(Resume, GoesOnWithTheSeedThatTheFirstRunDrew) {
  const std::string file = config(std::string(kTwoEpochs) + "[randomness]\n_delete_ = true\n");
  train(file, "whole");

  train(file, "resumed", {"--resume", "whole/epoch_1"});

  expect_tail("resumed", "loss");
}

TEST_F(Resume, RefusesACheckpointWithoutOptimizerState) {
  train(config(), "first");
  fs::remove(path("first/iter_3/optimizer.safetensors"));

  const Outcome outcome = run_strata({"train", config(), "--resume", "first/iter_3"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, testing::HasSubstr("lacks optimizer.safetensors"));
  EXPECT_FALSE(fs::exists(path("work_dirs")));
}

}  // namespace
}  // namespace strata::test
