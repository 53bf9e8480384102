// Which parameters lie in which chunk, and which chunks a unit needs.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/cpp/strategy.hpp"

#include "settings.hpp"

namespace strata::colossalai {

/// Where a parameter lies. chunk -1: in none, it is frozen.
struct STRATA_HIDDEN Place {
  int32_t chunk = -1;
  size_t slot = 0;
};

struct STRATA_HIDDEN PlannedChunk {
  std::vector<int32_t> params;
  int32_t value_dtype = STRATA_F32;
  int32_t master_dtype = STRATA_F32;
  std::vector<int32_t> units;  // that own some of them
};

struct STRATA_HIDDEN PlannedUnit {
  std::vector<Place> own;
  std::vector<Place> used;         // own and borrowed
  std::vector<int32_t> chunks;     // of `used`, ascending
  std::vector<int32_t> borrowers;  // units that borrow from it
  std::vector<int32_t> lenders;    // units that it borrows from
};

struct STRATA_HIDDEN ChunkPlan {
  std::vector<PlannedChunk> chunks;
  std::vector<PlannedUnit> units;
  std::vector<std::vector<int32_t>> frozen;  // parameters of one dtype each
  int64_t chunk_size = 0;                    // the largest that was found or given
  bool keep_gathered = false;                // as chunk_config_dict says
};

/// Trainable parameters in order of declaration fill chunks of the size that `config` gives or the search finds, for
/// chunks cut over so many ranks. The same on all ranks.
ChunkPlan plan_chunks(const ModelView& model, const GeminiConfig& config, int32_t ranks);

}  // namespace strata::colossalai
