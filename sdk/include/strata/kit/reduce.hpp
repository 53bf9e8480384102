// The one reduction that every communicator uses: elements combined in rank order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "strata/abi/services.h"

namespace strata::kit {

/// "sum", "max", "min", or "?".
const char* reduce_name(int32_t op);

/// out[i] = rows[0][i] op rows[1][i] op …, in that order, whatever the count.
///
/// rows   one for each rank, `count` elements each, aligned to their type; out may be one of them.
/// Half types are accumulated in float and rounded once. Integers wrap around. A bool's sum is
/// "any". A NaN wins against numbers in max and min. Errors: STRATA_E_ARGUMENT, not an element type
/// or operation.
void reduce_rows(std::span<const std::byte* const> rows,
                 std::byte* out,
                 int64_t count,
                 int32_t dtype,
                 int32_t op);

}  // namespace strata::kit
