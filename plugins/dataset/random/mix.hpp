// Random numbers by counting, so that a sample needs nothing but its own numbers.
#pragma once

#include <cstdint>

namespace strata::random {

// splitmix64's finaliser (Steele, Lea and Flood, OOPSLA 2014) of a counter: loops vectorise.
inline uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

// The stream of one sample: mix(key + i) for i = 0, 1, …
inline uint64_t key_of(int64_t seed, int64_t index) {
  return mix(mix(static_cast<uint64_t>(seed)) ^ static_cast<uint64_t>(index));
}

}  // namespace strata::random
