// Copies and sums over memory whose element types may differ.
#pragma once

#include <cstdint>

namespace strata::kit {

/// to[i] = from[i], rounded to nearest even where `to` is narrower. The same memory is fine when the types agree.
/// Errors: STRATA_E_ARGUMENT, a type that is no floating-point number.
void cast(void* to, int32_t to_dtype, const void* from, int32_t from_dtype, int64_t count);

/// to[i] += from[i], added in the wider of both types, in float at least.
/// Errors: as cast().
void add(void* to, int32_t to_dtype, const void* from, int32_t from_dtype, int64_t count);

}  // namespace strata::kit
