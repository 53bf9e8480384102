// One rank's file of a checkpoint: pieces of tensors in the safetensors format, hashed on their way.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/index.hpp"

namespace strata::checkpoint {

/// A stretch of a flattened row-major tensor in memory.
struct ShardPiece {
  std::string name;
  int32_t dtype = 0;
  std::vector<int64_t> shape;  ///< of the whole tensor
  Kind kind = Kind::kParam;
  int64_t begin = 0;
  int64_t count = 0;
  const std::byte* data = nullptr;  ///< borrowed until written
};

/// Bytes of the file that write_shard() makes.
uint64_t shard_bytes(const std::vector<ShardPiece>& pieces);

struct ShardOptions {
  /// Returns when the memory of pieces holds what is to be written, up to `end`; throws if it never will. Empty: it does.
  std::function<void(const std::byte* end)> wait_for = {};
  /// Bytes of FileOut's blocks, for files of at least four such. A disk is slower with less, and with more there is
  /// nothing to win (measured).
  size_t block = size_t{4} << 20;
};

/// Writes folder/name; it is on the disk when this returns. The folder is one that is written aside.
/// Returns what the index says about it. Errors: STRATA_E_IO of FileOut; STRATA_E_ARGUMENT of
/// encode_header; those of wait_for.
Index write_shard(const std::filesystem::path& folder,
                  const std::string& name,
                  const std::vector<ShardPiece>& pieces,
                  const ShardOptions& options = {});

}  // namespace strata::checkpoint
