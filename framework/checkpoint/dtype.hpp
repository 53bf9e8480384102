// Element types as the safetensors format names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace strata::checkpoint {

/// "F32" for STRATA_F32, …; empty for a type that files cannot hold.
std::string_view dtype_name(int32_t dtype);

/// STRATA_F32 for "F32", …; nothing for another name.
std::optional<int32_t> dtype_of(std::string_view name);

/// Bytes of one element; 0 for a type that files cannot hold.
uint64_t dtype_bytes(int32_t dtype);

}  // namespace strata::checkpoint
