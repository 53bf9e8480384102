// Waste of a size, and the search over sizes.
#include "chunk_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace strata::colossalai {
namespace {

// What is left when outliers are taken away.
std::vector<int64_t> ordinary(std::span<const int64_t> sizes) {
  const auto count = static_cast<double>(sizes.size());
  const double mean = std::accumulate(sizes.begin(), sizes.end(), 0.0) / count;
  double squares = 0;
  for (const int64_t size : sizes) {
    const double off = static_cast<double>(size) - mean;
    squares += off * off;
  }
  const double limit = mean + 3 * std::sqrt(squares / count);
  std::vector<int64_t> out;
  std::ranges::copy_if(sizes, std::back_inserter(out), [&](int64_t size) {
    return static_cast<double>(size) <= limit;
  });
  return out;
}

int64_t up_to_multiple(int64_t value, int64_t of) {
  return (value + of - 1) / of * of;
}

}  // namespace

int64_t wasted_elements(std::span<const int64_t> sizes, int64_t chunk_size) {
  int64_t waste = 0;
  int64_t left = 0;
  for (const int64_t size : sizes) {
    if (size > left) {
      waste += left;
      left = chunk_size;
    }
    left -= size;
  }
  return waste + left;
}

int64_t search_chunk_size(std::span<const int64_t> sizes, const ChunkSearch& search) {
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  if (total < search.min_size) {
    return total;
  }
  const std::vector<int64_t> counted = ordinary(sizes);
  const int64_t largest = *std::ranges::max_element(counted);
  const int64_t first =
      up_to_multiple(std::max({search.min_size, largest, int64_t{1}}), search.stride);
  int64_t best = first;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t size = first; size <= first + search.range; size += search.stride) {
    const int64_t waste = wasted_elements(counted, size);
    if (waste < least) {
      least = waste;
      best = size;
    }
  }
  return best;
}

std::vector<std::vector<size_t>> cut_into_chunks(std::span<const int64_t> sizes,
                                                 int64_t chunk_size) {
  std::vector<std::vector<size_t>> chunks;
  int64_t left = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (chunks.empty() || sizes[i] > left) {
      chunks.emplace_back();
      left = std::max(chunk_size, sizes[i]);
    }
    chunks.back().push_back(i);
    left -= sizes[i];
  }
  return chunks;
}

}  // namespace strata::colossalai
