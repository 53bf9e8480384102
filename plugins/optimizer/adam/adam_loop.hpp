// The inner loop of Adam over one stretch of elements.
#pragma once

#include <cmath>

#include "strata/kit/element_blocks.hpp"

namespace strata::optimizer_adam {

enum class Decay { kL2, kDecoupled };

/// What all elements of a chunk share.
template <class T>
struct STRATA_HIDDEN AdamScalars {
  T sign;              // -1 to maximise
  T keep;              // 1 - lr * weight_decay; 1 without decay
  T l2;                // weight_decay
  T new1;              // 1 - beta1
  T old2;              // beta2
  T new2;              // 1 - beta2
  T root_correction2;  // sqrt(1 - beta2^step), or 1
  T eps;
  T minus_step_size;  // -lr / (1 - beta1^step), or -lr
};

template <class T, Decay kMode, bool kAmsgrad>
struct STRATA_HIDDEN AdamLoop {
  AdamScalars<T> s;

  [[gnu::always_inline]] void operator()(const kit::ElementBlock<T>& block) const {
    run(block.value, block.grad, block.state[0], block.state[1], block.state[2], block);
  }

 private:
  // Arguments, because clang believes __restrict only there and leaves the loop scalar without.
  [[gnu::always_inline]] void run(T* __restrict value,
                                  const T* __restrict grad,
                                  T* __restrict mean,
                                  T* __restrict square,
                                  T* __restrict largest,
                                  const kit::ElementBlock<T>& block) const {
    // Interpolates from the nearer end, as torch's lerp does: exact at both.
    const bool near = std::abs(s.new1) < T(0.5);
    const T weight = near ? s.new1 : s.new1 - 1;
    const T factor = s.sign * block.grad_scale;
    const int64_t count = block.count;

    for (int64_t i = 0; i < count; ++i) {
      T p = value[i];
      T g = grad[i] * factor;
      if constexpr (kMode == Decay::kL2) {
        g = kit::fused(p, s.l2, g);
      } else {
        p = p * s.keep;
      }
      const T m = kit::fused(weight, g - mean[i], near ? mean[i] : g);
      T v = kit::fused(s.new2 * g, g, square[i] * s.old2);
      mean[i] = m;
      square[i] = v;
      if constexpr (kAmsgrad) {
        v = v > largest[i] || v != v ? v : largest[i];  // NaN wins
        largest[i] = v;
      }
      value[i] = p + s.minus_step_size * m / (std::sqrt(v) / s.root_correction2 + s.eps);
    }
  }
};

}  // namespace strata::optimizer_adam
