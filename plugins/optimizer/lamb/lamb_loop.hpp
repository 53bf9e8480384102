// The inner loops of LAMB over one stretch of elements.
#pragma once

#include <array>
#include <cmath>

#include "strata/kit/element_blocks.hpp"

namespace strata::optimizer_lamb {

/// What all elements of a chunk share.
template <class T>
struct STRATA_HIDDEN LambScalars {
  T old1;         // beta1
  T new1;         // what the gradient's share of the mean is: 1 - beta1, or 1
  T old2;         // beta2
  T new2;         // 1 - beta2
  T correction1;  // 1 - beta1^step, or 1
  T correction2;  // 1 - beta2^step, or 1
  T eps;
  T decay;
  T minus_rate;  // -lr * trust ratio; in the second pass
};

/// The way an element goes before it is scaled.
template <class T>
[[gnu::always_inline]] STRATA_HIDDEN inline T direction(T value,
                                                        T mean,
                                                        T square,
                                                        const LambScalars<T>& s) {
  const T adam = mean / s.correction1 / (std::sqrt(square / s.correction2) + s.eps);
  return kit::fused(s.decay, value, adam);
}

inline constexpr int64_t kLanes = 16;

/// Sums of squares in lanes, so that loops over them vectorise and have the same bits everywhere.
struct STRATA_HIDDEN SquareSum {
  std::array<double, kLanes> lanes{};

  [[nodiscard]] double total() const {
    double out = 0;
    for (const double lane : lanes) {
      out += lane;
    }
    return out;
  }
};

/// First pass: the means, and the squares of values and directions.
template <class T>
struct STRATA_HIDDEN MeasureLoop {
  LambScalars<T> s;
  double* values;      // [kLanes]
  double* directions;  // [kLanes]

  [[gnu::always_inline]] void operator()(const kit::ElementBlock<T>& block) const {
    alignas(64) std::array<T, kit::kUpdateBlock> ways;
    run(block.value, block.grad, block.state[0], block.state[1], ways.data(), block);
    add_squares(block.value, block.count, values);
    add_squares(ways.data(), block.count, directions);
  }

 private:
  // Arguments, because clang believes __restrict only there and leaves the loop scalar without.
  [[gnu::always_inline]] void run(const T* __restrict value,
                                  const T* __restrict grad,
                                  T* __restrict mean,
                                  T* __restrict square,
                                  T* __restrict ways,
                                  const kit::ElementBlock<T>& block) const {
    for (int64_t i = 0; i < block.count; ++i) {
      const T g = grad[i] * block.grad_scale;
      const T m = kit::fused(s.new1, g, mean[i] * s.old1);
      const T v = kit::fused(s.new2 * g, g, square[i] * s.old2);
      mean[i] = m;
      square[i] = v;
      ways[i] = direction(value[i], m, v, s);
    }
  }

  [[gnu::always_inline]] static void add_squares(const T* __restrict of,
                                                 int64_t count,
                                                 double* __restrict lanes) {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const auto x = static_cast<double>(of[i + lane]);
        lanes[lane] += x * x;
      }
    }
    for (int64_t lane = 0; i < count; ++i, ++lane) {
      const auto x = static_cast<double>(of[i]);
      lanes[lane] += x * x;
    }
  }
};

/// Second pass: the values.
template <class T>
struct STRATA_HIDDEN MoveLoop {
  LambScalars<T> s;

  [[gnu::always_inline]] void operator()(const kit::ElementBlock<T>& block) const {
    run(block.value, block.state[0], block.state[1], block.count);
  }

 private:
  [[gnu::always_inline]] void run(T* __restrict value,
                                  const T* __restrict mean,
                                  const T* __restrict square,
                                  int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      value[i] = kit::fused(s.minus_rate, direction(value[i], mean[i], square[i], s), value[i]);
    }
  }
};

}  // namespace strata::optimizer_lamb
