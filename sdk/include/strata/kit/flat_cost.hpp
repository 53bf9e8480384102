// What flat pieces cost, from their layouts alone.
#pragma once

#include <cstdint>

#include "strata/kit/flat_shard.hpp"

namespace strata::kit {

/// Bytes of one rank (rank 0 where ranks differ), as FlatShard keeps and sends them.
struct STRATA_HIDDEN FlatCost {
  int64_t param_bytes = 0;  // masters and values that stay
  int64_t grad_bytes = 0;
  int64_t optim_bytes = 0;
  int64_t values = 0;    // whole values that come and go
  int64_t grads = 0;     // whole gradients until they are reduced
  int64_t scratch = 0;   // of a hybrid mesh while it reduces
  int64_t staged = 0;    // gradients copied for an update in the host's memory
  int64_t gather = 0;    // sent by one gather
  int64_t reduce = 0;    // sent by one reduction
  int64_t publish = 0;   // sent after an update
  int64_t elements = 0;  // of values that come and go

  FlatCost& operator+=(const FlatCost& other);
};

/// states: numbers that the optimizer keeps for each element.
FlatCost cost_of(const FlatLayout& layout, const ShardSpec& spec, int64_t states);

}  // namespace strata::kit
