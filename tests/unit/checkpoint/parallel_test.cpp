// Jobs on several threads: each once, and of several failures the first.
#include "checkpoint/parallel.hpp"

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

namespace strata::checkpoint {
namespace {

constexpr size_t kMany = size_t{1} << 30;  // bytes that are worth every thread

TEST(InParallel, CallsEachJobOnce) {
  std::vector<std::atomic<int>> calls(1000);

  in_parallel(calls.size(), kMany, [&](size_t i) { ++calls[i]; });

  EXPECT_THAT(std::vector<int>(calls.begin(), calls.end()), testing::Each(1));
}

TEST(InParallel, MakesNoThreadForLittleWork) {
  std::set<std::thread::id> threads;

  in_parallel(100, 4096, [&](size_t) { threads.insert(std::this_thread::get_id()); });

  EXPECT_THAT(threads, testing::ElementsAre(std::this_thread::get_id()));
}

TEST(InParallel, ThrowsWhatTheFirstOfTheFailingJobsThrew) {
  const auto job = [](size_t i) {
    if (i % 30 == 7) {
      throw std::runtime_error(std::to_string(i));
    }
  };
  for (int round = 0; round < 50; ++round) {
    try {
      in_parallel(100, kMany, job);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "7");
    }
  }
}

TEST(InParallel, BeginsNothingAfterAFailure) {
  std::atomic<int> calls = 0;
  const auto job = [&](size_t) {
    ++calls;
    throw std::runtime_error("full");
  };

  EXPECT_THROW(in_parallel(1'000'000, kMany, job), std::runtime_error);

  EXPECT_LE(calls, 4);
}

}  // namespace
}  // namespace strata::checkpoint
