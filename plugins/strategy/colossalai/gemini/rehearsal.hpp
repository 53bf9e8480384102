// An iteration played through without memory: how often chunks come, and how much of them is there at the most.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "chunk_plan.hpp"

namespace strata::colossalai {

struct STRATA_HIDDEN Rehearsed {
  std::vector<int64_t> gathers;  // by chunk, in one forward and backward
  int64_t peak = 0;              // bytes of whole chunks
};

/// Units run in order of declaration, backward in reverse, parents around their children. bytes: of each whole chunk.
/// may_stay: bytes of whole chunks that nobody uses.
Rehearsed rehearse(const ModelView& model,
                   const ChunkPlan& plan,
                   std::span<const int64_t> bytes,
                   int64_t may_stay);

}  // namespace strata::colossalai
