// The bytes of all tensors of this process.
#pragma once

#include "unit/memory.hpp"

namespace strata::unit {

/// Puts itself in front of LibTorch's CPU allocator, once for a process, before the first tensor is made; tensors made
/// earlier are not in the account. Alignment, deleters and contexts stay those of the allocator behind it. [main]
void track_tensor_memory();
[[nodiscard]] bool tracks_tensor_memory();

/// Bytes that tensors of this process hold, as the system gave them out (a multiple of 16 each). Ranks that are threads
/// of one process share the account. Zeros before track_tensor_memory(). [any]
Account tensor_memory();
void reset_tensor_peak();

}  // namespace strata::unit
