// A run that is asked to stop saves what it has done and ends; one that loses a rank ends soon and says so.
#include <csignal>

#include "scene.hpp"

namespace strata::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr const char* kEndless = "[train_cfg]\nby_epoch = false\nmax_iters = 100000000\n";
constexpr const char* kRunning = "Iter(train) [";

struct Stop {
  const char* name;
  int signal;
  const char* ranks;
};

void PrintTo(const Stop& stop, std::ostream* out) {
  *out << stop.name;
}

class EarlyEnd : public Scene {
 protected:
  /// Iterations that the run had done when it was saved, from the checkpoint that the log and last_checkpoint name.
  [[nodiscard]] int64_t saved(const std::string& work) const {
    const std::string line = read_text(path(work) / "last_checkpoint");
    const fs::path last = line.substr(0, line.find('\n'));
    const auto meta = nlohmann::json::parse(read_text(last / "state.json")).at("meta");
    EXPECT_EQ(last.filename(), "iter_" + std::to_string(meta.at("iter").get<int64_t>()));
    return meta.at("iter");
  }

  /// Goes on for five iterations and compares all losses with those of a run that was never stopped.
  void expect_goes_on(const std::string& file, const std::string& ranks) const {
    const std::string length = "train_cfg.max_iters=" + std::to_string(saved("work") + 5);
    train(file, "work", {"--nproc", ranks, "--resume", "--cfg-options", length});
    train(file, "whole", {"--nproc", ranks, "--cfg-options", length});
    EXPECT_EQ(series("work", "loss"), series("whole", "loss"));
  }
};

class Stopped : public EarlyEnd, public testing::WithParamInterface<Stop> {};

TEST_P(Stopped, SavesEndsWithTheSignalsCodeAndGoesOnToTheBit) {
  const auto& [name, signal, ranks] = GetParam();
  const std::string file = config(kEndless);
  Program program(strata({"train", file, "--nproc", ranks, "--work-dir", "work"}));
  ASSERT_TRUE(program.says(kRunning)) << program.wait(seconds(0)).err;

  program.send(signal);
  const Outcome outcome = program.wait(seconds(30));

  EXPECT_EQ(outcome.code, 128 + signal) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stopped by a signal at iteration"));
  EXPECT_THAT(log_of("work"), HasSubstr("The run goes on from " + path("work/iter_").string()));
  expect_goes_on(file, ranks);
}

INSTANTIATE_TEST_SUITE_P(Each,
                         Stopped,
                         testing::Values(Stop{"TermOneRank", SIGTERM, "1"},
                                         Stop{"IntOneRank", SIGINT, "1"},
                                         Stop{"TermTwoRanks", SIGTERM, "2"},
                                         Stop{"IntTwoRanks", SIGINT, "2"}),
                         [](const auto& of) { return std::string(of.param.name); });

// The launcher knows of nothing; the other rank hears of it from the one that was told.
TEST_F(EarlyEnd, OfOneRankIsThatOfAll) {
  const std::string file = config(kEndless);
  Program program(strata({"train", file, "--nproc", "2", "--work-dir", "work"}));
  ASSERT_TRUE(program.says(kRunning)) << program.wait(seconds(0)).err;
  const std::vector<pid_t> ranks = program.children();
  ASSERT_EQ(ranks.size(), 2U);

  kill(ranks[1], SIGTERM);
  const Outcome outcome = program.wait(seconds(30));

  EXPECT_EQ(outcome.code, 128 + SIGTERM) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stopped: rank 0: stopped by a signal"));
  EXPECT_THAT(outcome.err, HasSubstr("stopped: rank 1: stopped by a signal"));
  expect_goes_on(file, "2");
}

TEST_F(EarlyEnd, ComesAtTheEndOfTheAccumulationWindow) {
  const std::string file =
      config(std::string(kEndless) + "[optim_wrapper]\naccumulative_counts = 3\n");
  Program program(strata({"train", file, "--nproc", "2", "--work-dir", "work"}));
  ASSERT_TRUE(program.says("4/100000000]")) << program.wait(seconds(0)).err;

  program.send(SIGTERM);
  EXPECT_EQ(program.wait(seconds(30)).code, 128 + SIGTERM);

  EXPECT_EQ(saved("work") % 3, 0);
}

TEST_F(EarlyEnd, ByTheRequestFileIsASuccess) {
  const std::string file = config(kEndless);
  Program program(strata({"train", file, "--nproc", "2", "--work-dir", "work"}));
  ASSERT_TRUE(program.says(kRunning)) << program.wait(seconds(0)).err;

  write_text(path("work/save_and_stop"), "");
  const Outcome outcome = program.wait(seconds(30));

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(log_of("work"), HasSubstr("Stopped by the file save_and_stop in the work_dir"));
  EXPECT_FALSE(fs::exists(path("work/save_and_stop")));
  expect_goes_on(file, "2");
}

TEST_F(EarlyEnd, BeforeTheFirstUpdateSavesNothing) {
  const std::string file =
      config(std::string(kTestPlugins) + kEndless + "[[custom_hooks]]\ntype = \"SignalHook\"\n");

  const Outcome outcome = run_strata({"train", file, "--work-dir", "work"});

  EXPECT_EQ(outcome.code, 128 + SIGTERM) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stopped by a signal at iteration 0"));
  EXPECT_FALSE(fs::exists(path("work/last_checkpoint")));
}

// The ranks look for the first time after the first update.
TEST_F(EarlyEnd, IsAnErrorWhenSavingFails) {
  const std::string file =
      config(std::string(kTestPlugins) + kEndless +
             "[[custom_hooks]]\ntype = \"SignalHook\"\nat = \"iter\"\nrank = 1\n");
  fs::create_directories(path("work"));
  write_text(path("work/iter_1"), "somebody's");

  const Outcome outcome = run_strata({"train", file, "--nproc", "2", "--work-dir", "work"});

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("iter_1"));
  EXPECT_THAT(read_text(path("work/iter_1")), testing::Eq("somebody's"));
}

// One iteration an epoch, so that the first look of the second epoch comes after its last iteration.
TEST_F(EarlyEnd, AfterTheLastIterationOfAnEpochGoesOnWithTheEpochsEnd) {
  const std::string text = std::string(kTestPlugins) +
                           "[train_cfg]\nmax_epochs = 4\n[train_dataloader]\nbatch_size = 48\n"
                           "[[param_scheduler]]\ntype = \"StepLR\"\nstep_size = 1\ngamma = 0.5\n"
                           "[default_hooks]\ncheckpoint = { interval = -1 }\n";
  train(config(text, "whole"), "whole");
  const std::string stopping = config(
      text + "[[custom_hooks]]\ntype = \"SignalHook\"\nat = \"iter\"\nnumber = 1\n", "stopping");

  const Outcome outcome = run_strata({"train", stopping, "--work-dir", "work"});
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << outcome.err;
  EXPECT_EQ(saved("work"), 2);
  train("whole.toml", "work", {"--resume"});

  EXPECT_EQ(series("work", "loss"), series("whole", "loss"));
  EXPECT_EQ(series("work", "lr"), series("whole", "lr"));
}

// Between the batches of a validation, in which EMAHook shows its averages: what is saved are the trained weights.
TEST_F(EarlyEnd, InAValidationSavesTheWeightsOfTraining) {
  const std::string text = std::string(kTestPlugins) + kTwoEpochs + kValidation +
                           "[default_hooks]\ncheckpoint = { interval = -1 }\n"
                           "[[custom_hooks]]\ntype = \"EMAHook\"\nmomentum = 0.3\n";
  train(config(text, "whole"), "whole", {"--nproc", "2"});
  const std::string stopping =
      config(text + "[[custom_hooks]]\ntype = \"SignalHook\"\nat = \"epoch\"\n", "stopping");

  const Outcome outcome = run_strata({"train", stopping, "--nproc", "2", "--work-dir", "work"});
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << outcome.err;
  EXPECT_EQ(saved("work"), 4);
  train("whole.toml", "work", {"--nproc", "2", "--resume"});

  EXPECT_EQ(series("work", "loss"), series("whole", "loss"));
  EXPECT_EQ(series("work", "accuracy").back(), series("whole", "accuracy").back());
}

TEST_F(EarlyEnd, OfAValidationAloneSavesNothing) {
  train(config(), "first");
  const std::string file = config(std::string(kThreeIterations) + kValidation);
  Program program(strata({"val", file, "--load-from", "first/iter_3", "--work-dir", "work"}));

  program.send(SIGTERM);

  EXPECT_EQ(program.wait(seconds(30)).code, 128 + SIGTERM);
  EXPECT_FALSE(fs::exists(path("work/last_checkpoint")));
}

using LostRank = Scene;

TEST_F(LostRank, EndsTheOthersAndIsNamedWithItsSignal) {
  Program program(strata({"train", config(kEndless), "--nproc", "2"}));
  ASSERT_TRUE(program.says(kRunning)) << program.wait(seconds(0)).err;
  const std::vector<pid_t> ranks = program.children();
  ASSERT_EQ(ranks.size(), 2U);

  kill(ranks[1], SIGKILL);
  const Outcome outcome = program.wait(seconds(10));

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("rank 1 of 2"));
  EXPECT_THAT(outcome.err, HasSubstr("was ended by signal SIGKILL (9)"));
  EXPECT_NE(kill(ranks[0], 0), 0) << "rank 0 is still there";
}

// The rank that is left waits in the gather of the first unit, and says so.
TEST_F(LostRank, UnderAShardingStrategyNamesTheUnitAndTheCollective) {
  const std::string text = std::string(kTestPlugins) + kEndless + R"(
[[custom_hooks]]
type = "DieHook"
rank = 1
iter = 2
[strategy]
type = "FSDPStrategy"
model_wrapper = { auto_wrap_policy = "always_wrap_policy" }
)";
  Program program(strata({"train", config(text), "--nproc", "2"}));

  const Outcome outcome = program.wait(seconds(30));

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("was ended by signal SIGKILL (9)"));
  EXPECT_THAT(outcome.err, HasSubstr("all_gather"));
  EXPECT_THAT(outcome.err, HasSubstr("while gathering unit \"fc1\""));
}

}  // namespace
}  // namespace strata::test
