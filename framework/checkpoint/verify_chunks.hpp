// Comparing what files hold with checksums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace strata::checkpoint {

/// Bytes of a file, and what they have to hash to.
struct StoredChunk {
  const std::filesystem::path* file = nullptr;
  uint64_t begin = 0;
  uint64_t bytes = 0;
  uint64_t hash = 0;
  std::string key;  ///< for messages
};

/// Reads and compares the part-th of `share` parts, about equal in bytes and each a stretch of files: by several threads,
/// each in the order of its file, which is what a disk and the page cache are fastest at.
/// Errors: STRATA_E_FAILED naming the file and key of the first that differs; STRATA_E_IO.
void verify_chunks(std::vector<StoredChunk> chunks, int part, int share);

}  // namespace strata::checkpoint
