// Half precisions in plain loops: fp16 and bf16 as 16-bit patterns, to and from float.
#pragma once

#include <bit>
#include <cstdint>

#include "strata/cpp/host.hpp"

namespace strata::kit {

/// An fp16 number; the type only says how to read its bits.
struct STRATA_HIDDEN Half {
  uint16_t bits;
};

/// A bfloat16 number.
struct STRATA_HIDDEN BFloat16 {
  uint16_t bits;
};

// All four are free of branches, so that loops over them vectorise, and inline everywhere, so that
// they take over the instruction set of the loop they are in.

namespace detail {

/// `yes` where the condition holds. Masks and no `?:`, which compilers turn into a branch around
/// the arithmetic of one side, and such a loop stays scalar.
[[gnu::always_inline]] STRATA_HIDDEN inline uint32_t select(bool condition,
                                                            uint32_t yes,
                                                            uint32_t no) {
  const uint32_t mask = 0U - static_cast<uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

}  // namespace detail

/// Exact, subnormals included; NaN stays NaN.
[[gnu::always_inline]] STRATA_HIDDEN inline float to_float(Half h) {
  const uint32_t all = h.bits;
  const uint32_t sign = (all & 0x8000U) << 16;
  const uint32_t magnitude = all & 0x7FFFU;
  const uint32_t normal =
      (magnitude << 13) + (112U << 23);  // 112 = 127 - 15, the difference of the biases
  const uint32_t special = (magnitude << 13) | 0x7F800000U;
  const auto subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24F);
  const uint32_t finite = detail::select(magnitude < 0x0400U, subnormal, normal);
  return std::bit_cast<float>(detail::select(magnitude >= 0x7C00U, special, finite) | sign);
}

[[gnu::always_inline]] STRATA_HIDDEN inline float to_float(BFloat16 b) {
  return std::bit_cast<float>(static_cast<uint32_t>(b.bits) << 16);
}

/// Rounds to nearest, ties to even; beyond 65504 to infinity.
[[gnu::always_inline]] STRATA_HIDDEN inline Half to_half(float value) {
  const auto all = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (all >> 16) & 0x8000U;
  const uint32_t x = all & 0x7FFFFFFFU;
  // The unit in the last place of 0.5 is 2^-24, fp16's smallest step: this addition rounds as
  // subnormals do.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(x) + 0.5F) - 0x3F000000U;
  const uint32_t normal = (x - (112U << 23) + 0x0FFFU + ((x >> 13) & 1U)) >> 13;
  const uint32_t special = detail::select(x > 0x7F800000U, 0x7E00U, 0x7C00U);
  const uint32_t finite = detail::select(x < 0x38800000U, subnormal, normal);  // 2^-14
  const uint32_t bits = detail::select(x >= 0x47800000U, special, finite);     // 2^16
  return {static_cast<uint16_t>(bits | sign)};
}

/// Rounds to nearest, ties to even.
[[gnu::always_inline]] STRATA_HIDDEN inline BFloat16 to_bfloat16(float value) {
  const auto x = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (x + 0x7FFFU + ((x >> 16) & 1U)) >> 16;
  const uint32_t quiet = (x >> 16) | 0x0040U;
  return {static_cast<uint16_t>(detail::select((x & 0x7FFFFFFFU) > 0x7F800000U, quiet, rounded))};
}

}  // namespace strata::kit
