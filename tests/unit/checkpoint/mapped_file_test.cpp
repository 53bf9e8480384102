// Tests of what a mapped file says of the page cache.
#include "checkpoint/mapped_file.hpp"

#include <algorithm>
#include <fcntl.h>
#include <span>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

constexpr size_t kSize = 300'007;  // no whole pages

class CachedBytes : public TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    for (size_t i = 0; i < kSize; ++i) {
      content_ += static_cast<char>(i % 251);
    }
    path_ = write("file", content_);
  }

  std::string content_;
  std::filesystem::path path_;
};

TEST_F(CachedBytes, AreThoseOfTheFile) {
  const MappedFile file(path_);

  for (const auto& [offset, bytes] : std::vector<std::pair<uint64_t, size_t>>{
           {0, kSize}, {0, 1}, {5, 4096}, {4095, 2}, {8192, 4096}, {kSize - 1, 1}}) {
    const auto found = file.cached(offset, bytes);
    ASSERT_TRUE(found.has_value()) << offset;
    EXPECT_TRUE(
        std::ranges::equal(*found, std::as_bytes(std::span(content_).subspan(offset, bytes))))
        << offset;
  }
}

TEST_F(CachedBytes, AreNoneBeyondItsEnd) {
  const MappedFile file(path_);

  EXPECT_FALSE(file.cached(kSize, 1).has_value());
  EXPECT_FALSE(file.cached(1, kSize).has_value());
  EXPECT_FALSE(file.cached(1, SIZE_MAX).has_value());
  EXPECT_FALSE(file.cached(kSize, 0).has_value());
}

TEST_F(CachedBytes, AreNoneOfAFileThatWasCutShortMeanwhile) {
  const MappedFile file(path_);

  std::filesystem::resize_file(path_, kSize / 2);

  EXPECT_FALSE(file.cached(0, kSize).has_value());
}

TEST_F(CachedBytes, AreNoneThatAreOnTheDiskAlone) {
  struct statfs system = {};
  ASSERT_EQ(::statfs(path_.c_str(), &system), 0);
  if (system.f_type == TMPFS_MAGIC) {
    GTEST_SKIP() << path_ << " is in memory";
  }
  const MappedFile file(path_);
  const int fd = file.file().fd();
  ASSERT_EQ(::fsync(fd), 0);
  ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);

  EXPECT_FALSE(file.cached(0, kSize).has_value());
}

}  // namespace
}  // namespace strata::checkpoint
