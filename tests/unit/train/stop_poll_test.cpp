// Looking for a reason to stop: at once at first, then about ten times a second however fast steps are.
#include "train/stop_poll.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>
#include <tuple>
#include <unistd.h>

#include <gtest/gtest.h>

namespace strata::train {
namespace {

namespace fs = std::filesystem;

class StopPollTest : public testing::Test {
 protected:
  void TearDown() override { fs::remove(request_); }

  StopPoll poll() {
    return {world_,
            [this] {
              ++looks_;
              return signal_;
            },
            request_};
  }

  comm::World world_;  // one rank
  fs::path request_ = fs::temp_directory_path() / ("strata_stop_" + std::to_string(::getpid()));
  int signal_ = 0;
  int looks_ = 0;
};

TEST_F(StopPollTest, LooksAfterTheFirstStep) {
  StopPoll poll = this->poll();
  EXPECT_FALSE(poll.after_step().has_value());
  EXPECT_EQ(looks_, 1);
}

TEST_F(StopPollTest, LooksSeldomWhileStepsAreFast) {
  StopPoll poll = this->poll();
  for (int step = 0; step < 100; ++step) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::ignore = poll.after_step();
  }

  EXPECT_GE(looks_, 2);
  EXPECT_LE(looks_, 30);  // about 200 ms, or more on a busy machine
}

TEST_F(StopPollTest, LooksAfterEachStepThatIsSlow) {
  StopPoll poll = this->poll();
  for (int step = 0; step < 4; ++step) {
    std::this_thread::sleep_for(std::chrono::milliseconds(110));
    std::ignore = poll.after_step();
  }

  EXPECT_EQ(looks_, 4);
}

TEST_F(StopPollTest, LooksAtOnceWhenStepsOfAnotherKindBegin) {
  StopPoll poll = this->poll();
  std::ignore = poll.after_step();
  poll.restart();
  std::ignore = poll.after_step();

  EXPECT_EQ(looks_, 2);
}

TEST_F(StopPollTest, TellsTheSignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    signal_ = signal;
    const auto request = poll().after_step();
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->signal, signal);
  }
}

TEST_F(StopPollTest, SeesTheRequestFile) {
  std::ofstream(request_) << "";

  const auto request = poll().after_step();

  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->signal, 0);
}

}  // namespace
}  // namespace strata::train
