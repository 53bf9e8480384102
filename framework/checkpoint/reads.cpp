// Blocks, which threads take in order.
#include "checkpoint/reads.hpp"

#include <algorithm>

#include "checkpoint/parallel.hpp"

namespace strata::checkpoint {

void Reads::add(const FileIn& file, uint64_t offset, std::span<std::byte> out) {
  constexpr size_t kBlock = size_t{1} << 20;
  bytes_ += out.size();
  while (!out.empty()) {
    const size_t n = std::min(kBlock, out.size());
    blocks_.push_back({&file, offset, out.first(n)});
    offset += n;
    out = out.subspan(n);
  }
}

void Reads::run() const {
  in_parallel(blocks_.size(), bytes_, [this](size_t i) {
    const Block& block = blocks_[i];
    block.file->read(block.offset, block.out);
  });
}

}  // namespace strata::checkpoint
