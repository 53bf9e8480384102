// A rank's file is the same however it comes to the disk.
#include "checkpoint/shard_file.hpp"

#include <numeric>
#include <stdexcept>

#include <gmock/gmock.h>

#include "strata/abi/core.h"

#include "checkpoint/hash.hpp"
#include "checkpoint/reads.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

class ShardFile : public TempDirTest {
 protected:
  ShardFile() : values_(200'003) { std::iota(values_.begin(), values_.end(), -1000.0F); }

  [[nodiscard]] std::vector<ShardPiece> pieces() const {
    const auto* const data = reinterpret_cast<const std::byte*>(values_.data());
    return {{"first", STRATA_F32, {7}, Kind::kParam, 0, 7, data},
            {"none", STRATA_F32, {0}, Kind::kParam, 0, 0, data},
            {"cut", STRATA_F32, {400'000}, Kind::kState, 1000, 200'000, data},
            {"last", STRATA_U8, {3}, Kind::kRank, 0, 3, data + 800'000}};
  }

  std::vector<float> values_;
};

TEST_F(ShardFile, HasTheSameBytesAndChecksumsInBlocks) {
  const Index plain = write_shard(dir_, "plain", pieces(), {.block = size_t{1} << 30});
  const Index blocks = write_shard(dir_, "blocks", pieces(), {.block = 4096});

  EXPECT_EQ(read(dir_ / "blocks"), read(dir_ / "plain"));
  ASSERT_EQ(blocks.tensors.size(), 4U);
  for (size_t i = 0; i < blocks.tensors.size(); ++i) {
    EXPECT_EQ(blocks.tensors[i].chunks.front().hash, plain.tensors[i].chunks.front().hash) << i;
  }
  const ShardPiece cut = pieces()[2];
  EXPECT_EQ(blocks.tensors[2].chunks.front().hash, hash_of(std::span(cut.data, 800'000)));
  EXPECT_EQ(read(dir_ / "blocks").size(), shard_bytes(pieces()));
}

TEST_F(ShardFile, WaitsForWhatItWrites) {
  std::vector<const std::byte*> asked;

  write_shard(
      dir_, "file", pieces(), {.wait_for = [&](const std::byte* end) { asked.push_back(end); }});

  const auto* const data = reinterpret_cast<const std::byte*>(values_.data());
  EXPECT_THAT(asked,
              testing::ElementsAre(data + 28, data + (512 << 10), data + 800'000, data + 800'003));
}

TEST_F(ShardFile, IsNotThereWhenItsMemoryNeverCame) {
  const auto never = [](const std::byte*) { throw std::runtime_error("the copy failed"); };

  EXPECT_THROW(write_shard(dir_, "plain", pieces(), {.wait_for = never}), std::runtime_error);
  EXPECT_THROW(write_shard(dir_, "blocks", pieces(), {.wait_for = never, .block = 4096}),
               std::runtime_error);

  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

TEST_F(ShardFile, IsReadFromAnywhereToAnywhere) {
  std::string content(9'000'009, '\0');
  for (size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<char>(i * i % 251);
  }
  const FileIn file(write("file", content));

  for (const auto& [begin, count] : {std::pair<size_t, size_t>{0, content.size()},
                                     {1, 5},
                                     {4095, 4'200'000},
                                     {content.size() - 3, 3},
                                     {17, 0}}) {
    constexpr size_t kOdd = 3;  // bytes before, and as many behind
    std::string room(kOdd + count + kOdd, '-');

    Reads reads;
    reads.add(file, begin, std::as_writable_bytes(std::span(room)).subspan(kOdd, count));
    reads.run();

    EXPECT_TRUE(room == "---" + content.substr(begin, count) + "---") << begin;
  }
}

TEST_F(ShardFile, ThatBecameShorterIsAnErrorAndNoSignal) {
  const FileIn file(write("file", std::string(10'000'000, 'a')));
  std::filesystem::resize_file(dir_ / "file", 5'000'000);
  std::string room(10'000'000, '\0');

  const Error e = error_of([&] {
    Reads reads;
    reads.add(file, 0, std::as_writable_bytes(std::span(room)));
    reads.run();
  });

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), testing::HasSubstr((dir_ / "file").string() + ": it was cut short"));
}

}  // namespace
}  // namespace strata::checkpoint
