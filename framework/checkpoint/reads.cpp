// Blocks, which threads take in order.
#include "checkpoint/reads.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

#include "checkpoint/parallel.hpp"

namespace strata::checkpoint {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr size_t kRuns = 16;  // at least: threads end at about the same time

}  // namespace

void Reads::add(const FileIn& file, uint64_t offset, std::span<std::byte> out) {
  bytes_ += out.size();
  while (!out.empty()) {
    const size_t n = std::min(kBlock, out.size());
    blocks_.push_back({&file, offset, out.first(n)});
    offset += n;
    out = out.subspan(n);
  }
}

// As verify_chunks(): neighbours in order, through a file of their own when they are many.
void Reads::run() {
  const size_t longest = std::clamp<size_t>(bytes_ / kRuns, kBlock, kLongestRun);
  std::ranges::stable_sort(blocks_, [](const Block& a, const Block& b) {
    return std::tie(a.file->path(), a.offset) < std::tie(b.file->path(), b.offset);
  });
  std::vector<std::span<const Block>> runs;
  size_t in_run = 0;
  for (const Block& block : blocks_) {
    if (runs.empty() || in_run + block.out.size() > longest ||
        runs.back().back().file != block.file) {
      runs.emplace_back(&block, 0);
      in_run = 0;
    }
    runs.back() = {runs.back().data(), runs.back().size() + 1};
    in_run += block.out.size();
  }
  in_parallel(runs.size(), bytes_, [&](size_t i) { read(runs[i]); });
}

void Reads::read(std::span<const Block> run) {
  std::optional<FileIn> own;
  if (run.size() > 1) {
    own.emplace(run.front().file->path(), FileIn::Order::kAsItStands);
  }
  for (const Block& block : run) {
    (own ? *own : *block.file).read(block.offset, block.out);
  }
}

}  // namespace strata::checkpoint
