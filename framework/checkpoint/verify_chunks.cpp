// Runs of neighbouring chunks, each through an open file of its own: the system reads ahead for each of them.
#include "checkpoint/verify_chunks.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <tuple>

#include "strata/cpp/error.hpp"

#include "checkpoint/hash.hpp"
#include "checkpoint/mapped_file.hpp"
#include "checkpoint/parallel.hpp"

namespace strata::checkpoint {
namespace {

// Of one read: it is hashed while it is in a core's cache.
constexpr size_t kPiece = size_t{1} << 20;

class Run {
 public:
  void verify(const StoredChunk& chunk) {
    if (!file_.has_value() || file_->file().path() != *chunk.file) {
      file_.emplace(*chunk.file);
    }
    Hash hash;
    for (uint64_t at = 0; at < chunk.bytes; at += kPiece) {
      hash.add(bytes(chunk.begin + at, std::min<uint64_t>(kPiece, chunk.bytes - at)));
    }
    if (hash.value() != chunk.hash) {
      throw Error(STRATA_E_FAILED,
                  text(chunk.file->string(),
                       " does not fit its index.json: ",
                       chunk.key,
                       " is damaged: it does not have the checksum ",
                       hash_text(chunk.hash)));
    }
  }

 private:
  std::span<const std::byte> bytes(uint64_t offset, size_t count) {
    if (const auto cached = file_->cached(offset, count)) {
      return *cached;
    }
    room_.resize(kPiece);
    const std::span piece(room_.data(), count);
    file_->file().read(offset, piece);
    return piece;
  }

  std::optional<MappedFile> file_;
  std::vector<std::byte> room_;  // of what is not cached
};

}  // namespace

void verify_chunks(std::vector<StoredChunk> chunks, int part, int share) {
  std::ranges::sort(chunks, [](const StoredChunk& a, const StoredChunk& b) {
    return std::tie(*a.file, a.begin) < std::tie(*b.file, b.begin);
  });
  std::vector<uint64_t> before;  // bytes of all chunks before one
  uint64_t bytes = 0;
  for (const StoredChunk& chunk : chunks) {
    before.push_back(bytes);
    bytes += chunk.bytes;
  }
  const uint64_t mine = bytes / static_cast<uint64_t>(share) + 1;
  const uint64_t begin = mine * static_cast<uint64_t>(part);
  const auto first_from = [&](uint64_t byte) {
    return static_cast<size_t>(std::ranges::lower_bound(before, byte) - before.begin());
  };
  in_parallel((mine + kLongestRun - 1) / kLongestRun, mine, [&](size_t run) {
    const uint64_t end = begin + std::min(mine, (run + 1) * kLongestRun);
    Run here;
    for (size_t i = first_from(begin + run * kLongestRun); i < first_from(end); ++i) {
      here.verify(chunks[i]);
    }
  });
}

}  // namespace strata::checkpoint
