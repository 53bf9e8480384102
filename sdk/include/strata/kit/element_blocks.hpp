// Element-wise optimizer updates over any mix of element types: blocks are widened to float or
// double, updated, narrowed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

#include "strata/abi/optim.h"
#include "strata/cpp/memory.hpp"
#include "strata/kit/float16.hpp"
#include "strata/kit/simd.hpp"

namespace strata::kit {

inline constexpr int64_t kBlock =
    1024;  // elements: three blocks of double fit the first-level cache

namespace detail {

template <class Stored, class T>
struct STRATA_HIDDEN Widen {
  const Stored* from;
  T* to;
  int64_t count;

  [[gnu::always_inline]] void operator()() const {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_arithmetic_v<Stored>) {
        to[i] = static_cast<T>(from[i]);
      } else {
        to[i] = static_cast<T>(to_float(from[i]));
      }
    }
  }
};

template <class Stored, class T>
struct STRATA_HIDDEN Narrow {
  const T* from;
  Stored* to;
  int64_t count;

  [[gnu::always_inline]] void operator()() const {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<Stored, Half>) {
        to[i] = to_half(static_cast<float>(from[i]));
      } else if constexpr (std::is_same_v<Stored, BFloat16>) {
        to[i] = to_bfloat16(static_cast<float>(from[i]));
      } else {
        to[i] = static_cast<Stored>(from[i]);
      }
    }
  }
};

template <class T>
STRATA_HIDDEN void widen(const void* from, int32_t dtype, T* to, int64_t count) {
  switch (dtype) {
    case STRATA_F16:
      return simd(Widen<Half, T>{static_cast<const Half*>(from), to, count});
    case STRATA_BF16:
      return simd(Widen<BFloat16, T>{static_cast<const BFloat16*>(from), to, count});
    case STRATA_F32:
      return simd(Widen<float, T>{static_cast<const float*>(from), to, count});
    case STRATA_F64:
      return simd(Widen<double, T>{static_cast<const double*>(from), to, count});
    default:
      throw Error(STRATA_E_ARGUMENT, text("an optimizer cannot read elements of type ", dtype));
  }
}

template <class T>
STRATA_HIDDEN void narrow(const T* from, int32_t dtype, void* to, int64_t count) {
  switch (dtype) {
    case STRATA_F16:
      return simd(Narrow<Half, T>{from, static_cast<Half*>(to), count});
    case STRATA_BF16:
      return simd(Narrow<BFloat16, T>{from, static_cast<BFloat16*>(to), count});
    case STRATA_F32:
      return simd(Narrow<float, T>{from, static_cast<float*>(to), count});
    default:
      throw Error(STRATA_E_ARGUMENT, text("an optimizer cannot write elements of type ", dtype));
  }
}

template <class T>
inline constexpr int32_t kNative = std::is_same_v<T, double> ? STRATA_F64 : STRATA_F32;

}  // namespace detail

/// One call's share of a chunk, all in T. value and states are updated in place.
template <class T>
struct STRATA_HIDDEN ElementBlock {
  T* value;
  const T* grad;  // times grad_scale is the gradient
  std::array<T*, STRATA_MAX_OPTIM_STATES> state;
  int64_t count;
  T grad_scale;
};

/// Calls update(ElementBlock<T>) for stretches that together are the chunk. T is the type of the
/// states: double for double values, else float. Values and gradients of other types pass through
/// buffers on the stack. Errors: STRATA_E_ARGUMENT for element types that are no floating point
/// numbers.
template <class T, class Update>
STRATA_HIDDEN void for_each_block(const strata_optim_chunk& chunk,
                                  double grad_scale,
                                  const Update& update) {
  const bool own_value = chunk.value_dtype == detail::kNative<T>;
  const bool own_grad = chunk.grad_dtype == detail::kNative<T>;
  const int64_t stride = own_value && own_grad ? chunk.count : kBlock;
  alignas(64) std::array<T, kBlock> values;
  alignas(64) std::array<T, kBlock> grads;

  for (int64_t at = 0; at < chunk.count; at += stride) {
    ElementBlock<T> block{};
    block.grad_scale = static_cast<T>(grad_scale);
    block.count = std::min(stride, chunk.count - at);
    auto* value = static_cast<std::byte*>(chunk.value) + at * size_of(chunk.value_dtype);
    const auto* grad = static_cast<const std::byte*>(chunk.grad) + at * size_of(chunk.grad_dtype);
    for (size_t s = 0; s < block.state.size(); ++s) {
      block.state[s] = chunk.state[s] == nullptr ? nullptr : static_cast<T*>(chunk.state[s]) + at;
    }
    block.value = reinterpret_cast<T*>(value);
    block.grad = reinterpret_cast<const T*>(grad);
    if (!own_value) {
      detail::widen(value, chunk.value_dtype, values.data(), block.count);
      block.value = values.data();
    }
    if (!own_grad) {
      detail::widen(grad, chunk.grad_dtype, grads.data(), block.count);
      block.grad = grads.data();
    }
    update(block);
    if (!own_value) {
      detail::narrow(values.data(), chunk.value_dtype, value, block.count);
    }
  }
}

}  // namespace strata::kit
