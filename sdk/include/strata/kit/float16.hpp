// Half precisions in plain loops: fp16 and bf16 as 16-bit patterns, to and from float.
#pragma once

#include <algorithm>
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
  const uint32_t high = static_cast<uint32_t>(h.bits) << 16;
  const uint32_t magnitude = high + high;  // without the sign, at the top
  // The exponent is 112 too large after this, which makes infinity of 31 and comes off exactly.
  const float normal = std::bit_cast<float>((magnitude >> 4) + 0x70000000U) * 0x1p-112F;
  // Behind the leading bit of 0.5 a step of the fraction is 2^-24, as in a subnormal.
  const float subnormal = std::bit_cast<float>((magnitude >> 17) | 0x3F000000U) - 0.5F;
  const uint32_t bits = detail::select(
      magnitude < 0x08000000U, std::bit_cast<uint32_t>(subnormal), std::bit_cast<uint32_t>(normal));
  return std::bit_cast<float>(bits | (high & 0x80000000U));
}

[[gnu::always_inline]] STRATA_HIDDEN inline float to_float(BFloat16 b) {
  return std::bit_cast<float>(static_cast<uint32_t>(b.bits) << 16);
}

/// Rounds to nearest, ties to even; beyond 65504 to infinity.
[[gnu::always_inline]] STRATA_HIDDEN inline Half to_half(float value) {
  const auto all = std::bit_cast<uint32_t>(value);
  const uint32_t doubled = all + all;  // without the sign
  // Too large a number becomes infinity by the first factor.
  const float size = std::bit_cast<float>(all & 0x7FFFFFFFU) * 0x1p112F * 0x1p-110F;
  // Added to a power of two whose last place is that of the half, `size` is rounded to it.
  const uint32_t exponent = std::max(doubled & 0xFF000000U, 0x71000000U);
  const auto rounded =
      std::bit_cast<uint32_t>(std::bit_cast<float>((exponent >> 1) + 0x07800000U) + size);
  const uint32_t finite = ((rounded >> 13) & 0x7C00U) + (rounded & 0x0FFFU);
  const uint32_t bits = detail::select(doubled > 0xFF000000U, 0x7E00U, finite);
  return {static_cast<uint16_t>(bits | ((all >> 16) & 0x8000U))};
}

/// Rounds to nearest, ties to even.
[[gnu::always_inline]] STRATA_HIDDEN inline BFloat16 to_bfloat16(float value) {
  const auto x = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (x + 0x7FFFU + ((x >> 16) & 1U)) >> 16;
  const uint32_t quiet = (x >> 16) | 0x0040U;
  return {static_cast<uint16_t>(detail::select((x & 0x7FFFFFFFU) > 0x7F800000U, quiet, rounded))};
}

}  // namespace strata::kit
