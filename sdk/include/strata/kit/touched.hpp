// Which parameters backward reached, on any rank.
#pragma once

#include <cstdint>

#include "strata/cpp/strategy.hpp"

namespace strata::kit {

/// A parameter that only some ranks used takes part in the update everywhere. One all-reduce; collective.
void agree_on_touched(strata_runtime* runtime, const ModelView& model);

/// Bytes that a rank sends for it.
int64_t touched_bytes(const ModelView& model, int64_t world_size);

}  // namespace strata::kit
