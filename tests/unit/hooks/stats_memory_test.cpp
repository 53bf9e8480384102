// Tests of the peak of the resident set.
#include "hooks/stats_memory.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "strata/cpp/error.hpp"

namespace strata::hooks {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBytes = size_t{64} << 20;

void use_and_free() {
  void* const memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(memory, 1, kBytes);
  ::munmap(memory, kBytes);
}

TEST(PeakMemory, SeesWhatWasFreedAgainAndForgetsIt) {
  if (::access("/proc/self/clear_refs", W_OK) != 0) {
    GTEST_SKIP() << "/proc/self/clear_refs cannot be written here";
  }
  PeakMemory memory;
  const int64_t before = memory.take_mb();

  use_and_free();
  const int64_t during = memory.take_mb();
  const int64_t after = memory.take_mb();

  EXPECT_GE(during, before + 60);
  EXPECT_LE(after, during - 60);
}

class PeakMemorySamples : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / text("strata_memory_", ::getpid());
    fs::create_directories(dir_);
  }

  void TearDown() override { fs::remove_all(dir_); }

  void set_resident(int kb) const {
    std::ofstream(dir_ / "status") << "Name:\tx\nVmHWM:\t999999 kB\nVmRSS:\t" << kb << " kB\n";
  }

  fs::path dir_;
};

TEST_F(PeakMemorySamples, AreUsedWhereThePeakCannotBeReset) {
  set_resident(10 << 10);
  PeakMemory memory(dir_);  // this folder has no clear_refs

  set_resident(30 << 10);
  EXPECT_EQ(memory.take_mb(), 30);
  set_resident(20 << 10);
  EXPECT_EQ(memory.take_mb(), 30);
  EXPECT_EQ(memory.take_mb(), 20);
}

TEST_F(PeakMemorySamples, AreZeroWithoutAStatusFile) {
  EXPECT_EQ(PeakMemory(dir_).take_mb(), 0);
}

}  // namespace
}  // namespace strata::hooks
