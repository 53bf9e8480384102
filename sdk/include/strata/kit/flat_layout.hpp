// Parameters laid one after the other and cut into equal shards.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/kit/buckets.hpp"

namespace strata::kit {

/// Where each parameter of a flat buffer begins. Parameters begin at multiples of 16 elements, shards too, so that every
/// piece is aligned for vector code and computes the same bits as an unsharded one. Gaps and the end are padding.
struct STRATA_HIDDEN FlatLayout {
  std::vector<Slot> slots;
  int64_t used = 0;   // elements up to the end of the last parameter
  int64_t shard = 0;  // elements of one shard
  int32_t shards = 1;

  [[nodiscard]] int64_t numel() const { return shard * shards; }
};

FlatLayout lay_out(const ModelView& model, std::span<const int32_t> params, int32_t shards);

/// The stretches of parameters in one shard; view offsets count from the shard's first element.
std::vector<strata_segment> segments_of_shard(const FlatLayout& layout, int32_t shard);

}  // namespace strata::kit
