// Ranks as real processes: how they start, and how they end together.
#include "comm/launch.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "comm/store.hpp"

namespace strata::comm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// Numbers that all ranks of a test see.
class Board {
 public:
  Board()
      : cells_(new(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                   Cells{}) {}

  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  ~Board() { munmap(cells_, 4096); }

  std::atomic<int>& operator[](int i) const { return (*cells_)[static_cast<size_t>(i)]; }

  /// Waits for a cell to become other than 0.
  [[nodiscard]] int await(int i) const {
    for (int n = 0; n < 10'000 && (*this)[i] == 0; ++n) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    return (*this)[i];
  }

 private:
  using Cells = std::array<std::atomic<int>, 64>;
  Cells* cells_;
};

void sleep_long() {
  std::this_thread::sleep_for(seconds(60));
}

bool is_gone(pid_t pid) {
  for (int n = 0; n < 5'000; ++n) {
    if (kill(pid, 0) != 0) {
      return true;
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
  return false;
}

// Runs launch_local in a process of its own, which then can be signalled; returns its pid.
pid_t launch_in_child(int nproc,
                      const std::function<int(const LaunchInfo&)>& body,
                      seconds stop_grace = seconds(60)) {
  const pid_t pid = fork();
  if (pid == 0) {
    _exit(launch_local(nproc, body, stop_grace));
  }
  return pid;
}

int status_of(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

TEST(LaunchLocal, TellsEachRankWhichItIs) {
  const Board board;

  const int code = launch_local(3, [&](const LaunchInfo& info) {
    const bool same = std::to_string(info.rank) == std::getenv("RANK") &&
                      std::string("3") == std::getenv("WORLD_SIZE") &&
                      std::to_string(info.rank) == std::getenv("LOCAL_RANK") &&
                      std::to_string(info.master_port) == std::getenv("MASTER_PORT");
    board[info.rank] = same ? info.rank + 1 : -1;
    return 0;
  });

  EXPECT_EQ(code, 0);
  EXPECT_EQ(board[0], 1);
  EXPECT_EQ(board[1], 2);
  EXPECT_EQ(board[2], 3);
}

TEST(LaunchLocal, LetsRanksMeetInAStoreAtThePortItHolds) {
  const int code = launch_local(2, [](const LaunchInfo& info) {
    const auto store = connect_tcp_store(info, seconds(20));
    // Rank 0 serves: it leaves last, when rank 1 has nothing more to ask.
    if (info.rank == 0) {
      store->set("0", "here");
      store->get("done", seconds(20));
    } else {
      store->get("0", seconds(20));
      store->set("done", "");
    }
    return 0;
  });

  EXPECT_EQ(code, 0);
}

TEST(LaunchLocal, ReturnsTheCodeOfTheRankThatFailedFirstAndEndsTheOthers) {
  const Board board;
  const auto start = Clock::now();

  testing::internal::CaptureStderr();
  const int code = launch_local(3, [&](const LaunchInfo& info) {
    board[info.rank] = getpid();
    if (info.rank == 1) {
      static_cast<void>(board.await(0) + board.await(2));
      std::fprintf(stderr, "cannot go on\n");
      return 7;
    }
    sleep_long();
    return 0;
  });
  const std::string said = testing::internal::GetCapturedStderr();

  EXPECT_EQ(code, 7);
  EXPECT_LT(Clock::now() - start, seconds(10));
  EXPECT_TRUE(is_gone(board[0]));
  EXPECT_TRUE(is_gone(board[2]));
  EXPECT_THAT(said, HasSubstr("rank 1 of 3"));
  EXPECT_THAT(said, HasSubstr("ended with exit code 7"));
  EXPECT_THAT(said, HasSubstr("  | cannot go on"));
}

TEST(LaunchLocal, NamesTheSignalThatEndedARank) {
  testing::internal::CaptureStderr();
  const int code = launch_local(2, [](const LaunchInfo& info) {
    if (info.rank == 0) {
      kill(getpid(), SIGKILL);
    }
    sleep_long();
    return 0;
  });
  const std::string said = testing::internal::GetCapturedStderr();

  EXPECT_EQ(code, 1);
  EXPECT_THAT(said, HasSubstr("rank 0 of 2"));
  EXPECT_THAT(said, HasSubstr("SIGKILL (9)"));
}

// Rank 1 ends with this code, rank 0 does not when it is asked to.
void expect_rank_zero_is_killed(int code_of_rank_one) {
  const Board board;
  const auto start = Clock::now();

  testing::internal::CaptureStderr();
  const int code = launch_local(2, [&](const LaunchInfo& info) {
    if (info.rank == 1) {
      static_cast<void>(board.await(0));
      return code_of_rank_one;
    }
    signal(SIGTERM, SIG_IGN);
    board[0] = getpid();
    sleep_long();
    return 0;
  });
  testing::internal::GetCapturedStderr();

  EXPECT_EQ(code, code_of_rank_one);
  EXPECT_TRUE(is_gone(board[0]));
  EXPECT_LT(Clock::now() - start, seconds(10));
}

TEST(LaunchLocal, KillsARankThatDoesNotListenToSigterm) {
  expect_rank_zero_is_killed(3);
}

// Whoever was told to stop tells the others, which may still be at their last words.
TEST(LaunchLocal, LetsTheOthersEndByThemselvesWhenOneWasToldToStop) {
  testing::internal::CaptureStderr();
  const int code = launch_local(2, [](const LaunchInfo& info) {
    if (info.rank == 1) {
      std::this_thread::sleep_for(milliseconds(300));
      std::fprintf(stderr, "all is saved\n");
    }
    return 128 + SIGTERM;
  });

  EXPECT_EQ(code, 128 + SIGTERM);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("all is saved"));
}

TEST(LaunchLocal, KillsThoseThatDoNotEndWhenOneWasToldToStop) {
  expect_rank_zero_is_killed(128 + SIGINT);
}

TEST(LaunchLocal, PrintsAnExceptionAndCountsItAsFailure) {
  testing::internal::CaptureStderr();
  const int code =
      launch_local(1, [](const LaunchInfo&) -> int { throw std::runtime_error("no such file"); });

  EXPECT_EQ(code, 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("rank 0: no such file"));
}

TEST(LaunchLocal, SaysAgainOnlyTheLastTwentyLines) {
  testing::internal::CaptureStderr();
  launch_local(1, [](const LaunchInfo&) {
    for (int i = 0; i < 30; ++i) {
      std::fprintf(stderr, "line %d\n", i);
    }
    return 1;
  });
  const std::string said = testing::internal::GetCapturedStderr();

  EXPECT_THAT(said, HasSubstr("line 0\nline 1\n"));
  EXPECT_THAT(said, Not(HasSubstr("| line 9\n")));
  EXPECT_THAT(said, HasSubstr("| line 10\n"));
  EXPECT_THAT(said, HasSubstr("| line 29\n"));
}

TEST(LaunchLocal, HandsASignalOnAndWaitsForTheRanks) {
  const Board board;
  const pid_t launcher = launch_in_child(2, [&](const LaunchInfo& info) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    board[info.rank] = getpid();
    int number = 0;
    sigwait(&set, &number);
    board[info.rank + 10] = number;
    return 0;
  });
  static_cast<void>(board.await(0) + board.await(1));

  kill(launcher, SIGINT);
  const int status = status_of(launcher);

  EXPECT_EQ(board[10], SIGINT);
  EXPECT_EQ(board[11], SIGINT);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(LaunchLocal, KillsTheRanksAtASecondSignal) {
  const Board board;
  const pid_t launcher = launch_in_child(1, [&](const LaunchInfo&) {
    signal(SIGTERM, SIG_IGN);
    board[0] = getpid();
    sleep_long();
    return 0;
  });
  const pid_t rank = board.await(0);

  kill(launcher, SIGTERM);
  std::this_thread::sleep_for(milliseconds(300));
  kill(launcher, SIGTERM);
  const int status = status_of(launcher);

  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGKILL);
  EXPECT_TRUE(is_gone(rank));
}

TEST(LaunchLocal, KillsRanksThatDoNotEndInTime) {
  const Board board;
  const pid_t launcher = launch_in_child(
      1,
      [&](const LaunchInfo&) {
        signal(SIGTERM, SIG_IGN);
        board[0] = getpid();
        sleep_long();
        return 0;
      },
      seconds(1));
  const pid_t rank = board.await(0);
  const auto start = Clock::now();

  kill(launcher, SIGTERM);
  const int status = status_of(launcher);

  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGKILL);
  EXPECT_GE(Clock::now() - start, milliseconds(900));
  EXPECT_TRUE(is_gone(rank));
}

TEST(LaunchLocal, TakesTheRanksAlongWhenItIsKilled) {
  const Board board;
  const pid_t launcher = launch_in_child(2, [&](const LaunchInfo& info) {
    board[info.rank] = getpid();
    sleep_long();
    return 0;
  });
  const pid_t first = board.await(0);
  const pid_t second = board.await(1);

  kill(launcher, SIGKILL);
  status_of(launcher);

  EXPECT_TRUE(is_gone(first));
  EXPECT_TRUE(is_gone(second));
}

}  // namespace
}  // namespace strata::comm
