// The order in which a set is passed through: 0 … n-1, or shuffled by three numbers and nothing
// else.
#pragma once

#include <bit>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace sampler {

/// splitmix64 (Steele, Lea and Flood, OOPSLA 2014): integer arithmetic alone, so equal everywhere.
class Generator {
 public:
  Generator(int64_t seed, int64_t epoch, int64_t round) {
    for (const int64_t name : {seed, epoch, round}) {
      state_ = mix((state_ ^ static_cast<uint64_t>(name)) + kGamma);
    }
  }

  uint64_t next() {
    state_ += kGamma;
    return mix(state_);
  }

  /// Uniform in [0, n), exact: masks to the next power of two and rejects what is too large.
  uint64_t below(uint64_t n) {
    const uint64_t mask = std::bit_ceil(n) - 1;
    uint64_t draw = next() & mask;
    while (draw >= n) {
      draw = next() & mask;
    }
    return draw;
  }

 private:
  static constexpr uint64_t kGamma = 0x9E3779B97F4A7C15U;

  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
  }

  uint64_t state_ = 0;
};

/// The shuffled order of n samples, kept until another one is asked for.
class Permutation {
 public:
  /// Names the set and its seed; forgets what was kept.
  void begin(int64_t n, int64_t seed) {
    order_.resize(static_cast<size_t>(n));
    seed_ = seed;
    made_ = false;
  }

  /// Cost     n swaps when (epoch, round) is not the one kept, else nothing.
  /// Source   Fisher and Yates, as in Knuth 3.4.2, algorithm P.
  const std::vector<int64_t>& of(int64_t epoch, int64_t round) {
    if (made_ && epoch == epoch_ && round == round_) {
      return order_;
    }
    std::iota(order_.begin(), order_.end(), int64_t{0});
    Generator generator(seed_, epoch, round);
    for (size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[generator.below(i)]);
    }
    epoch_ = epoch;
    round_ = round;
    made_ = true;
    return order_;
  }

 private:
  std::vector<int64_t> order_;
  int64_t seed_ = 0;
  int64_t epoch_ = 0;
  int64_t round_ = 0;
  bool made_ = false;
};

}  // namespace sampler
