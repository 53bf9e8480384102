// kill -9 at any moment leaves the newest published checkpoint whole, and the next run goes on.
#include <csignal>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "scenario.hpp"

namespace strata::test {
namespace {

constexpr int kKilled = 128 + SIGKILL;

class Kill : public testing::Test {
 protected:
  /// Looks at what a killed run left, and lets another one save.
  void expect_whole_and_going_on(const std::string& moment) const {
    const std::vector<Record> journal = scenario_.journal();
    EXPECT_EQ(complaint(look(scenario_.work_dir()), progress_of(journal, journal.size())), "")
        << moment;

    const Outcome next = run(scenario_.driver({}, {"100", "iter_100"}));

    EXPECT_EQ(next.code, 0) << moment << ": " << next.err;
    EXPECT_THAT(look(scenario_.work_dir()).last, testing::Optional(100)) << moment;
    EXPECT_THAT(leftovers(scenario_.work_dir()), testing::IsEmpty()) << moment;
  }

  Scenario scenario_;
};

TEST_F(Kill, IsSurvivedAtEveryOperation) {
  ASSERT_EQ(run(scenario_.driver()).code, 0);
  const std::vector<Record> whole = scenario_.journal();

  for (size_t i = 0; i < whole.size(); ++i) {
    scenario_.reset();
    const Outcome outcome = run(scenario_.driver({{kKillAt, std::to_string(i)}}));

    EXPECT_EQ(outcome.code, kKilled);
    expect_whole_and_going_on(describe(whole, i));
  }
  EXPECT_GT(whole.size(), 200U);
}

TEST_F(Kill, IsSurvivedAtRandomMoments) {
  const Outcome whole = run(scenario_.driver());
  ASSERT_EQ(whole.code, 0);
  std::mt19937 random(5);  // the same moments each time
  std::uniform_real_distribution<double> moment(0, whole.seconds);
  int killed = 0;

  for (int i = 0; i < 100; ++i) {
    scenario_.reset();
    const std::chrono::duration<double> after(moment(random));
    Program program(scenario_.driver());
    std::this_thread::sleep_for(after);
    program.send(SIGKILL);
    const int code = program.wait().code;

    killed += code == kKilled ? 1 : 0;
    expect_whole_and_going_on(std::to_string(after.count()) + " s");
  }
  EXPECT_GT(killed, 30);
}

}  // namespace
}  // namespace strata::test
