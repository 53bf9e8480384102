// Values on their way to a checkpoint: one thread copies, another takes what is there.
#include "train/staging.hpp"

#include <chrono>
#include <cstring>
#include <future>
#include <vector>

#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

namespace strata::train {
namespace {

using namespace std::chrono_literals;

TEST(StagingTest, HoldsWhatWasCopied) {
  std::vector<int32_t> values(5'000'000);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<int32_t>(i * 2654435761U);
  }
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(int32_t));
  Staging memory;
  memory.begin(Staging::padded(bytes) + Staging::padded(3));

  std::byte* const first = memory.take(bytes);
  std::byte* const second = memory.take(3);
  memory.copy(first, values.data(), bytes);
  memory.copy(second, "xyz", 3);
  memory.end(true);

  memory.wait_for(nullptr);
  EXPECT_EQ(std::memcmp(first, values.data(), static_cast<size_t>(bytes)), 0);
  EXPECT_EQ(std::memcmp(second, "xyz", 3), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % 64, 0U);
}

TEST(StagingTest, KeepsItsMemoryUnlessMoreIsNeeded) {
  Staging memory;
  memory.begin(10'000);
  std::byte* const first = memory.take(100);
  memory.copy(first, "old", 3);

  memory.begin(5'000);

  EXPECT_EQ(memory.take(5'000), first);
  EXPECT_THROW(memory.take(5'001), Error);
  memory.begin(50'000'000);
  EXPECT_NO_THROW(memory.take(50'000'000));
}

TEST(StagingTest, LetsTheOtherThreadWaitForWhatIsNotThereYet) {
  Staging memory;
  memory.begin(256);
  std::byte* const first = memory.take(64);
  std::byte* const second = memory.take(64);
  memory.copy(first, "first", 5);
  memory.wait_for(first + 5);  // returns at once

  auto waiting = std::async(std::launch::async, [&] { memory.wait_for(second + 6); });
  EXPECT_EQ(waiting.wait_for(50ms), std::future_status::timeout);
  memory.copy(second, "second", 6);
  EXPECT_EQ(waiting.wait_for(60s), std::future_status::ready);

  auto all = std::async(std::launch::async, [&] { memory.wait_for(nullptr); });
  EXPECT_EQ(all.wait_for(50ms), std::future_status::timeout);
  memory.end(true);
  EXPECT_EQ(all.wait_for(60s), std::future_status::ready);
}

TEST(StagingTest, TellsTheOtherThreadOfACopyThatFailed) {
  Staging memory;
  memory.begin(256);
  std::byte* const first = memory.take(64);

  auto waiting = std::async(std::launch::async, [&] { memory.wait_for(first + 1); });
  memory.end(false);

  EXPECT_THROW(waiting.get(), Error);
}

TEST(StagingTest, SaysHowMuchMemoryThereIsNot) {
  Staging memory;

  try {
    memory.begin(int64_t{1} << 60);
    FAIL() << "that much memory there is";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find(std::to_string(int64_t{1} << 60)), std::string::npos);
  }
}

}  // namespace
}  // namespace strata::train
