// How large a chunk shall be, and which parameters share one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace strata::colossalai {

/// All in elements.
struct ChunkSearch {
  int64_t min_size = 0;  // a model with fewer elements in all is one chunk
  int64_t range = 0;     // sizes from the smallest possible one to this much above it are tried
  int64_t stride = 1;    // every so many
};

/// Elements that stay empty when parameters of these sizes, in this order, fill chunks of one size: each goes behind the
/// one before it or opens a chunk, and none is split.
int64_t wasted_elements(std::span<const int64_t> sizes, int64_t chunk_size);

/// The size of least waste, the first of equals. Parameters above the mean by more than three standard deviations do not
/// count: they get chunks of their own. Sizes in order of declaration, not empty.
/// Source: J. Fang et al., arXiv:2108.05818, section 6; the bounds are ColossalAI's.
int64_t search_chunk_size(std::span<const int64_t> sizes, const ChunkSearch& search);

/// Cuts parameters into chunks: positions in `sizes`, in order. A parameter larger than a chunk has one of its own.
std::vector<std::vector<size_t>> cut_into_chunks(std::span<const int64_t> sizes,
                                                 int64_t chunk_size);

}  // namespace strata::colossalai
