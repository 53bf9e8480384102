// An iteration played through without memory: how often chunks come, and how much of them is there at the most.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "chunk_plan.hpp"

namespace strata::colossalai {

struct STRATA_HIDDEN ChunkSize {
  int64_t whole = 0;     // bytes of all values
  int64_t shard = 0;     // of one rank's
  bool moves_in = true;  // the own values leave their place while the chunk is whole
};

struct STRATA_HIDDEN Rehearsed {
  std::vector<int64_t> gathers;  // by chunk, in one forward and backward
  int64_t peak = 0;              // bytes beside the own values and gradients of all chunks
};

/// Units run in order of declaration, backward in reverse, parents around their children. may_stay: bytes of whole chunks
/// that nobody uses.
Rehearsed rehearse(const ModelView& model,
                   const ChunkPlan& plan,
                   std::span<const ChunkSize> sizes,
                   int64_t may_stay);

}  // namespace strata::colossalai
