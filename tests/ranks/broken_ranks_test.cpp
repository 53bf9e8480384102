// What ranks say when one of them does something else, leaves, stops or dies: an error in time,
// never a hang.
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "comm/launch.hpp"
#include "ranks.hpp"

namespace strata::test {
namespace {

using comm::comm_service;
using comm::World;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

void all_reduce(World& world, int64_t count, int32_t dtype = STRATA_F32) {
  std::vector<double> data(static_cast<size_t>(count));
  strata_work* work = nullptr;
  border::check(comm_service()->all_reduce(
      world.world(), data.data(), count, dtype, STRATA_SUM, nullptr, &work));
  border::check(comm_service()->wait(work, nullptr));
}

void broadcast(World& world, int64_t count) {
  std::vector<float> data(static_cast<size_t>(count));
  strata_work* work = nullptr;
  border::check(
      comm_service()->broadcast(world.world(), data.data(), count, STRATA_F32, 0, nullptr, &work));
  border::check(comm_service()->wait(work, nullptr));
}

class BrokenRanks : public testing::TestWithParam<std::string> {
 protected:
  static void run(int world, const std::function<void(World&)>& body, int64_t timeout_ms = 20'000) {
    run_ranks(world, body, {GetParam(), timeout_ms});
  }
};

TEST_P(BrokenRanks, AllNameBothCallsWhenCollectivesDiffer) {
  run(3, [](World& world) {
    const std::string error =
        error_of([&] { world.rank() == 1 ? broadcast(world, 100) : all_reduce(world, 100); });

    EXPECT_THAT(error,
                AllOf(HasSubstr("out of step"),
                      HasSubstr("rank 1 called broadcast no. 1 (root 0, 100 x f32"),
                      HasSubstr("called all_reduce no. 1 (sum, 100 x f32, 400 bytes)")));
  });
}

TEST_P(BrokenRanks, AllNameBothCallsWhenCountsOrTypesDiffer) {
  run(2, [](World& world) {
    const std::string error = error_of([&] { all_reduce(world, world.rank() == 1 ? 100'000 : 3); });

    EXPECT_THAT(error, AllOf(HasSubstr("(sum, 3 x f32"), HasSubstr("(sum, 100000 x f32")));
  });
  run(2, [](World& world) {
    const std::string error =
        error_of([&] { all_reduce(world, 8, world.rank() == 1 ? STRATA_F64 : STRATA_F32); });

    EXPECT_THAT(error, AllOf(HasSubstr("8 x f64"), HasSubstr("8 x f32")));
  });
}

TEST_P(BrokenRanks, EndSoonWhenOneLeavesEarly) {
  const auto start = Clock::now();

  run(3, [](World& world) {
    all_reduce(world, 10);
    if (world.rank() != 2) {
      error_of([&] { all_reduce(world, 10); });
    }
  });

  EXPECT_LT(Clock::now() - start, seconds(10));
}

TEST_P(BrokenRanks, SayTheReasonOfAnAbortElsewhere) {
  run(3, [](World& world) {
    all_reduce(world, 10);
    if (world.rank() == 2) {
      world.abort("rank 2: the loss is NaN");
    } else {
      EXPECT_THAT(error_of([&] { all_reduce(world, 10); }), HasSubstr("rank 2: the loss is NaN"));
    }
  });
}

TEST_P(BrokenRanks, StayBrokenAfterAnError) {
  run(2, [](World& world) {
    error_of([&] { all_reduce(world, world.rank() + 1); });
    const auto start = Clock::now();

    error_of([&] { all_reduce(world, 1); });

    EXPECT_LT(Clock::now() - start, seconds(2));
  });
}

TEST_P(BrokenRanks, GiveUpWaitingAfterTheTimeout) {
  run(
      2,
      [](World& world) {
        all_reduce(world, 1);
        if (world.rank() == 0) {
          std::this_thread::sleep_for(milliseconds(2'500));
          return;
        }
        const auto start = Clock::now();
        const std::string error = error_of([&] { all_reduce(world, 5); });
        EXPECT_THAT(error, HasSubstr("all_reduce no. 2 (sum, 5 x f32, 20 bytes)"));
        EXPECT_LT(Clock::now() - start, milliseconds(2'400));
      },
      1'000);
}

INSTANTIATE_TEST_SUITE_P(Threads, BrokenRanks, testing::Values("threads"));
INSTANTIATE_TEST_SUITE_P(Shm, BrokenRanks, testing::Values("shm"));
#if STRATA_TEST_GLOO
INSTANTIATE_TEST_SUITE_P(Gloo, BrokenRanks, testing::Values("gloo"));
#endif

comm::WorldParts make_parts(const comm::LaunchInfo& info, const std::string& backend) {
  comm::WorldParts parts;
  parts.communicator = make_communicator(backend);
  parts.store = comm::connect_tcp_store(info, seconds(20));
  return parts;
}

// Rank 1 of 3 dies in the way of kill -9; the launcher lets the others end by themselves.
int run_with_a_killed_rank(const std::string& backend) {
  return comm::launch_local(3, [&](const comm::LaunchInfo& info) {
    signal(SIGTERM, SIG_IGN);  // the launcher's help is not wanted here
    World world(info, make_parts(info, backend));
    const auto start = Clock::now();
    try {
      all_reduce(world, 10);  // what rank 1 sent last may be lost with it
      if (info.rank == 1) {
        kill(getpid(), SIGKILL);
      }
      all_reduce(world, 10);
    } catch (const Error& e) {
      const bool soon = Clock::now() - start < seconds(4);
      std::fprintf(stderr, "[rank %d: %s %s]\n", info.rank, soon ? "soon" : "late", e.what());
      return 0;
    }
    return 0;
  });
}

TEST(KilledRank, IsNoticedByTheOthersOverSharedMemory) {
  testing::internal::CaptureStderr();
  const int code = run_with_a_killed_rank("shm");
  const std::string said = testing::internal::GetCapturedStderr();

  EXPECT_EQ(code, 1);  // something else killed it; the run itself was not told to end
  EXPECT_THAT(
      said,
      AllOf(HasSubstr("[rank 0: soon"), HasSubstr("[rank 2: soon"), HasSubstr("rank 1 has died")));
}

#if STRATA_TEST_GLOO
TEST(KilledRank, IsNoticedByTheOthersOverGloo) {
  testing::internal::CaptureStderr();
  const int code = run_with_a_killed_rank("gloo");
  const std::string said = testing::internal::GetCapturedStderr();

  EXPECT_EQ(code, 1);  // something else killed it; the run itself was not told to end
  EXPECT_THAT(said, AllOf(HasSubstr("[rank 0: soon"), HasSubstr("[rank 2: soon")));
}
#endif

TEST(Processes, AddUpInRankOrderOverSharedMemory) {
  const int code = comm::launch_local(3, [](const comm::LaunchInfo& info) {
    World world(info, make_parts(info, "shm"));
    const double values[] = {1, 1e17, -1e17};  // 1 is lost when it is added first
    const bool right = world.sum(values[info.rank]) == 0 && world.all_gather_text("x").size() == 3;
    world.barrier();
    return right ? 0 : 9;
  });

  EXPECT_EQ(code, 0);
}

TEST(Processes, OfAnotherProcessAreRefusedByThreads) {
  testing::internal::CaptureStderr();
  const int code = comm::launch_local(2, [](const comm::LaunchInfo& info) {
    const World world(info, make_parts(info, "threads"));
    return 0;
  });

  EXPECT_NE(code, 0);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("use \"shm\" or \"gloo\""));
}

}  // namespace
}  // namespace strata::test
