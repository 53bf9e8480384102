// Which chunks lie where, and which of them go when memory is short.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "pools.hpp"

namespace strata::colossalai {

/// A chunk that is whole and that nobody uses at the moment.
struct STRATA_HIDDEN Held {
  int32_t chunk = 0;
  int64_t bytes = 0;  // that become free when it goes
  size_t next_use =
      std::numeric_limits<size_t>::max();  // uses from now; the default: none is known
  uint64_t last_use = 0;
};

/// The chunks to let go so that those that stay take at most `allowed` bytes: first those whose next use is farthest, of
/// equals those used longest ago. For chunks of one size no other choice brings fewer back (L. Belady, "A study of
/// replacement algorithms for a virtual-storage computer", 1966).
std::vector<int32_t> choose_evictions(std::vector<Held> held, int64_t allowed);

/// Gives the host pool to the first chunks, as many as come nearest to this fraction of all bytes.
std::vector<Pool> place_fraction(std::span<const int64_t> bytes, double fraction);

}  // namespace strata::colossalai
