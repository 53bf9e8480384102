// What is known of element types: STRATA_U8, STRATA_F32, …
#pragma once

#include <cstdint>

#include "strata/cpp/error.hpp"

namespace strata {

struct DtypeFacts {
  int64_t bytes;     ///< of one element; 0 for a number that is no element type
  const char* name;  ///< "f32", "bf16", …; "?"
};

constexpr DtypeFacts facts_of(int32_t dtype) {
  switch (dtype) {
    case STRATA_U8:
      return {1, "u8"};
    case STRATA_I8:
      return {1, "i8"};
    case STRATA_BOOL:
      return {1, "bool"};
    case STRATA_F16:
      return {2, "f16"};
    case STRATA_BF16:
      return {2, "bf16"};
    case STRATA_I32:
      return {4, "i32"};
    case STRATA_F32:
      return {4, "f32"};
    case STRATA_I64:
      return {8, "i64"};
    case STRATA_F64:
      return {8, "f64"};
    default:
      return {0, "?"};
  }
}

/// Bytes of one element. Errors: STRATA_E_ARGUMENT for a number that is no element type.
constexpr int64_t size_of(int32_t dtype) {
  const int64_t bytes = facts_of(dtype).bytes;
  if (bytes == 0) {
    throw Error(STRATA_E_ARGUMENT,
                text("dtype ", dtype, " is no element type (STRATA_U8, STRATA_F32, …)"));
  }
  return bytes;
}

/// "f32", "bf16", …; "?" for a number that is no element type.
constexpr const char* dtype_name(int32_t dtype) {
  return facts_of(dtype).name;
}

}  // namespace strata
