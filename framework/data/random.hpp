// The random stream of a sample: splitmix64, started from what names the sample and nothing else.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace strata::data {

inline constexpr uint64_t kGoldenGamma = 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio, odd

/// A bijection on 64 bits that leaves no trace of order.
/// Source  splitmix64's finaliser: Steele, Lea and Flood, OOPSLA 2014, constants of Stafford's
/// mix 13.
inline uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

/// Where a stream starts, from the numbers that name it. Lists that differ in the last number never
/// collide.
inline uint64_t stream_key(std::initializer_list<int64_t> names) {
  uint64_t key = 0;
  for (const int64_t name : names) {
    key = mix64((key ^ static_cast<uint64_t>(name)) + kGoldenGamma);
  }
  return key;
}

/// Uniform 64-bit numbers: the k-th is mix64(key + (k + 1) * gamma).
class RandomStream {
 public:
  explicit RandomStream(uint64_t key = 0) : state_(key) {}

  uint64_t next() {
    state_ += kGoldenGamma;
    return mix64(state_);
  }

 private:
  uint64_t state_;
};

}  // namespace strata::data
