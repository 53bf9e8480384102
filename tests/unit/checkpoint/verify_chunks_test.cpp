// Tests of dividing the comparison of checksums.
#include "checkpoint/verify_chunks.hpp"

#include <algorithm>

#include <gmock/gmock.h>

#include "strata/abi/core.h"

#include "checkpoint/hash.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

constexpr uint64_t kMega = uint64_t{1} << 20;

class VerifyChunks : public TempDirTest {
 protected:
  // Files without any data. Chunks longer than a run, shorter than a piece, empty ones.
  void SetUp() override {
    TempDirTest::SetUp();
    add(a_ = dir_ / "a", {0, 1, 66 * kMega, 3 * kMega, 3 * kMega + 1, 0});
    add(b_ = dir_ / "b", {10 * kMega, 5, 2 * kMega, 0});
  }

  void add(const std::filesystem::path& file, const std::vector<uint64_t>& sizes) {
    uint64_t end = 5;
    for (const uint64_t bytes : sizes) {
      const std::vector<std::byte> zeros(bytes);
      chunks_.push_back({&file, end, bytes, hash_of(zeros), text("chunk ", chunks_.size())});
      end += bytes;
    }
    std::filesystem::resize_file(write(file.filename(), ""), end);
  }

  /// What each part that finds fault says.
  static std::vector<std::string> errors_of(const std::vector<StoredChunk>& chunks, int share) {
    std::vector<std::string> found;
    for (int part = 0; part < share; ++part) {
      const Error e = error_of([&] { verify_chunks(chunks, part, share); });
      if (e.code() != STRATA_OK) {
        found.emplace_back(e.message());
      }
    }
    return found;
  }

  std::filesystem::path a_;
  std::filesystem::path b_;
  std::vector<StoredChunk> chunks_;
};

TEST_F(VerifyChunks, EveryChunkIsTheWorkOfOnePart) {
  for (const int share : {1, 2, 3, 7}) {
    for (size_t bad = 0; bad < chunks_.size(); ++bad) {
      std::vector<StoredChunk> chunks = chunks_;
      chunks[bad].hash ^= 1;
      const std::vector<std::string> found = errors_of(chunks, share);
      ASSERT_EQ(found.size(), 1U) << bad << " of " << share;
      EXPECT_THAT(found[0], testing::StartsWith(chunks[bad].file->string()));
      EXPECT_THAT(found[0], testing::HasSubstr(chunks[bad].key + " is damaged"));
    }
  }
}

TEST_F(VerifyChunks, OfSeveralTheFirstInItsFileIsNamed) {
  std::ranges::for_each(chunks_, [](StoredChunk& chunk) { chunk.hash ^= 1; });

  const Error e = error_of([&] { verify_chunks(chunks_, 0, 1); });

  EXPECT_EQ(e.code(), STRATA_E_FAILED);
  EXPECT_THAT(e.message(), testing::HasSubstr(a_.string()));
  EXPECT_THAT(e.message(), testing::HasSubstr("chunk 0 is damaged"));
}

TEST_F(VerifyChunks, AFileThatIsShorterThanTheyAreIsAnError) {
  std::filesystem::resize_file(b_, kMega);

  EXPECT_EQ(error_of([&] { verify_chunks(chunks_, 0, 1); }).code(), STRATA_E_IO);
}

}  // namespace
}  // namespace strata::checkpoint
