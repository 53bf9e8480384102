// Files written block by block are those that are written as the bytes come.
#include "checkpoint/file_out.hpp"

#include <cerrno>
#include <fcntl.h>

#include <gmock/gmock.h>

#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

constexpr size_t kBlock = 4096;

std::string bytes_of(size_t count) {
  std::string out(count, '\0');
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<char>(i * 7 + i / 251);
  }
  return out;
}

class FileOutTest : public TempDirTest {
 protected:
  /// Written in parts of `part` bytes.
  [[nodiscard]] std::string written(const std::string& content, size_t part, size_t block) const {
    const auto path = dir_ / "file";
    FileOut out(path, content.size(), Place::kInFolder, block);
    for (size_t at = 0; at < content.size(); at += part) {
      out.write(std::string_view(content).substr(at, part));
    }
    out.commit();
    EXPECT_EQ(out.written(), content.size());
    return read(path);
  }
};

TEST_F(FileOutTest, InBlocksHasTheSameBytes) {
  for (const size_t size : {size_t{0},
                            size_t{1},
                            kBlock - 1,
                            kBlock,
                            kBlock + 1,
                            3 * kBlock,
                            3 * kBlock + 1,
                            40 * kBlock + 123}) {
    const std::string content = bytes_of(size);
    for (const size_t part : {size_t{100}, kBlock, 5 * kBlock + 3}) {
      EXPECT_EQ(written(content, part, 0), content) << size << " in " << part;
      EXPECT_EQ(written(content, part, kBlock), content) << size << " in " << part;
      EXPECT_EQ(written(content, part, 4 * kBlock), content) << size << " in " << part;
    }
  }
}

TEST_F(FileOutTest, InBlocksLeavesNothingWithoutCommit) {
  {
    FileOut out(dir_ / "file", 10 * kBlock, Place::kAside, kBlock);
    out.write(bytes_of(10 * kBlock));
  }

  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

// Every write to /dev/full fails as on a full disk.
TEST(BlockWriterTest, TellsOfAFailureAtAnyBlock) {
  const std::string content = bytes_of(kBlock);
  for (const int blocks : {1, 2, 10}) {
    const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    {
      BlockWriter out(fd, kBlock);
      int error = 0;
      for (int i = 0; i < blocks; ++i) {
        const int now = out.write(std::as_bytes(std::span(content)));
        error = error == 0 ? now : error;
      }
      const int last = out.finish();
      EXPECT_EQ(error == 0 ? last : error, ENOSPC) << blocks;
      EXPECT_EQ(last, ENOSPC) << blocks;
    }
    ::close(fd);
  }
}

}  // namespace
}  // namespace strata::checkpoint
