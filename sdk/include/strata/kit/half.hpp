// Conversions between float and the two half types, branch-free so that loops over them become vector code.
#pragma once

#include <bit>
#include <cstdint>

namespace strata::kit {

/// IEEE binary16, by its bits.
struct Half {
  uint16_t bits;
};

/// The upper half of a float, by its bits.
struct BFloat16 {
  uint16_t bits;
};

inline float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

/// Rounds to nearest, ties to even. Any NaN becomes a quiet one.
inline BFloat16 to_bfloat16(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (u + 0x7FFFU + ((u >> 16) & 1U)) >> 16;
  const bool is_nan = (u & 0x7FFFFFFFU) > 0x7F800000U;
  return {static_cast<uint16_t>(is_nan ? 0x7FC0U : rounded)};
}

inline float to_float(Half value) {
  const uint32_t magnitude = value.bits & 0x7FFFU;
  const uint32_t normal = (magnitude << 13) + (112U << 23);
  // 0.5 + magnitude * 2^-24 is exact in a float, so subtracting 0.5 leaves the subnormal's value.
  const auto subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(0x3F000000U | magnitude) - 0.5F);
  const uint32_t not_finite = (magnitude << 13) | 0x7F800000U;
  const uint32_t finite = magnitude < 0x0400U ? subnormal : normal;
  const uint32_t bits = magnitude >= 0x7C00U ? not_finite : finite;
  return std::bit_cast<float>(bits | (static_cast<uint32_t>(value.bits & 0x8000U) << 16));
}

/// Rounds to nearest, ties to even; beyond 65504 to infinity. Any NaN becomes a quiet one.
inline Half to_half(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = u & 0x7FFFFFFFU;
  const uint32_t normal = (magnitude - (112U << 23) + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  // The sum's last place is 2^-24, the half type's smallest step: the addition does the rounding.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  const uint32_t not_finite = magnitude > 0x7F800000U ? 0x7E00U : 0x7C00U;
  const uint32_t finite = magnitude < 0x38800000U ? subnormal : normal;
  const uint32_t bits = magnitude >= 0x47800000U ? not_finite : finite;
  return {static_cast<uint16_t>(bits | ((u >> 16) & 0x8000U))};
}

}  // namespace strata::kit
