// What writers of tensors have in common.
#pragma once

#include <cstdint>

#include "checkpoint/safetensors.hpp"

namespace strata::checkpoint {

/// Bytes of a tensor that is to be written. Errors: STRATA_E_ARGUMENT naming it: an unknown type, a negative or
/// overflowing shape.
uint64_t checked_bytes(const TensorSource& tensor);

/// Puts its bytes, all at once or as its fill() puts them. Errors: STRATA_E_ARGUMENT naming it: neither data nor fill(),
/// another number of bytes. fill()'s and put's own.
void stream_tensor(const TensorSource& tensor, uint64_t bytes, const Put& put);

}  // namespace strata::checkpoint
