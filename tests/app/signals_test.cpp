// A run that is asked to stop, or loses a rank, ends soon and says so.
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

class Stopped : public Scene, public testing::WithParamInterface<Stop> {};

TEST_P(Stopped, EndsWithTheSignalsCode) {
  const auto& [name, signal, ranks] = GetParam();
  Program program(strata({"train", config(kEndless), "--nproc", ranks}));
  ASSERT_TRUE(program.says(kRunning)) << program.wait(seconds(0)).err;

  program.send(signal);
  const Outcome outcome = program.wait(seconds(10));

  EXPECT_EQ(outcome.code, 128 + signal) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stopped by a signal at iteration"));
}

INSTANTIATE_TEST_SUITE_P(Each,
                         Stopped,
                         testing::Values(Stop{"TermOneRank", SIGTERM, "1"},
                                         Stop{"IntOneRank", SIGINT, "1"},
                                         Stop{"TermTwoRanks", SIGTERM, "2"},
                                         Stop{"IntTwoRanks", SIGINT, "2"}),
                         [](const auto& of) { return std::string(of.param.name); });

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
