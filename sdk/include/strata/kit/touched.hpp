// What ranks agree on before an update: which parameters backward reached on any of them, and in which order units ran.
#pragma once

#include <cstdint>
#include <span>

#include "strata/cpp/strategy.hpp"

namespace strata::kit {

/// A parameter that only some ranks used takes part in the update everywhere. One all-reduce; collective.
///
/// uses: the units that this rank used since the last update, in order; may be empty on all ranks.
/// Errors: STRATA_E_FAILED when ranks used units in different orders, naming the first that differ. Such ranks have
/// exchanged wrong data if the units are of one size, and the update would hide it.
void agree_on_touched(strata_runtime* runtime,
                      const ModelView& model,
                      std::span<const int32_t> uses);

/// Bytes that a rank sends for it.
int64_t touched_bytes(const ModelView& model, int64_t world_size);

}  // namespace strata::kit
