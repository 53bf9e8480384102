// Reads of files that are done together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/file_in.hpp"

namespace strata::checkpoint {

/// Many small ones take several threads as few large ones do.
class Reads {
 public:
  /// The bytes from `offset` on to `out`. Both are used by run().
  void add(const FileIn& file, uint64_t offset, std::span<std::byte> out);

  /// Errors: of FileIn::read().
  void run();

 private:
  struct Block {
    const FileIn* file;
    uint64_t offset;
    std::span<std::byte> out;
  };

  static void read(std::span<const Block> run);

  std::vector<Block> blocks_;
  size_t bytes_ = 0;
};

}  // namespace strata::checkpoint
