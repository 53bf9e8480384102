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

// An update is bound by memory, and its four to six streams are more than the hardware's prefetchers
// follow across pages. Measured: blocks this short, fetched this far ahead, are 10 to 20 % faster
// than one long loop; longer blocks ask for more lines at once than a core can wait for.
inline constexpr int64_t kUpdateBlock = 64;  // elements
inline constexpr int64_t kAhead = 512;       // elements

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

/// As widen() below, for a type that was checked, in the instruction set of the caller.
template <class T>
[[gnu::always_inline]] STRATA_HIDDEN inline void widen_here(const void* from,
                                                            int32_t dtype,
                                                            T* to,
                                                            int64_t count) {
  switch (dtype) {
    case STRATA_F16:
      return Widen<Half, T>{static_cast<const Half*>(from), to, count}();
    case STRATA_BF16:
      return Widen<BFloat16, T>{static_cast<const BFloat16*>(from), to, count}();
    case STRATA_F32:
      return Widen<float, T>{static_cast<const float*>(from), to, count}();
    default:
      return Widen<double, T>{static_cast<const double*>(from), to, count}();
  }
}

template <class T>
[[gnu::always_inline]] STRATA_HIDDEN inline void narrow_here(const T* from,
                                                             int32_t dtype,
                                                             void* to,
                                                             int64_t count) {
  switch (dtype) {
    case STRATA_F16:
      return Narrow<Half, T>{from, static_cast<Half*>(to), count}();
    case STRATA_BF16:
      return Narrow<BFloat16, T>{from, static_cast<BFloat16*>(to), count}();
    case STRATA_F32:
      return Narrow<float, T>{from, static_cast<float*>(to), count}();
    default:
      return Narrow<double, T>{from, static_cast<double*>(to), count}();
  }
}

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
    case STRATA_F64:
      return simd(Narrow<double, T>{from, static_cast<double*>(to), count});
    default:
      throw Error(STRATA_E_ARGUMENT, text("an optimizer cannot write elements of type ", dtype));
  }
}

template <class T>
inline constexpr int32_t kNative = std::is_same_v<T, double> ? STRATA_F64 : STRATA_F32;

}  // namespace detail

/// a * b + c with one rounding, with and without the instruction for it.
[[gnu::always_inline]] STRATA_HIDDEN inline float fused(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

[[gnu::always_inline]] STRATA_HIDDEN inline double fused(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}

/// Calls update.operator()<T>(chunk, hypers of its group) for every chunk, with the T that
/// for_each_block() wants.
template <class Update>
STRATA_HIDDEN void for_each_chunk(const strata_optim_step_args& args, const Update& update) {
  for (uint64_t i = 0; i < args.n_chunks; ++i) {
    const strata_optim_chunk& chunk = args.chunks[i];
    const double* hypers = args.hypers + static_cast<uint64_t>(chunk.group) * args.n_hypers;
    if (chunk.value_dtype == STRATA_F64) {
      update.template operator()<double>(chunk, hypers);
    } else {
      update.template operator()<float>(chunk, hypers);
    }
  }
}

/// One call's share of a chunk, all in T. value and states are updated in place.
template <class T>
struct STRATA_HIDDEN ElementBlock {
  T* value;
  const T* grad;  // times grad_scale is the gradient
  std::array<T*, STRATA_MAX_OPTIM_STATES> state;
  int64_t count;
  T grad_scale;
};

namespace detail {

/// Asks for the memory of one block that comes kAhead elements after `at`.
[[gnu::always_inline]] STRATA_HIDDEN inline void fetch(const void* base,
                                                       int64_t at,
                                                       int64_t width) {
  if (base == nullptr) {
    return;
  }
  const auto* const from = static_cast<const std::byte*>(base) + (at + kAhead) * width;
  for (int64_t byte = 0; byte < kUpdateBlock * width; byte += 64) {
    __builtin_prefetch(from + byte);  // an address past the end does no harm
  }
}

/// Elements of the first block, after which others begin with a cache line: vectors that cross lines
/// cost 10 %.
STRATA_HIDDEN inline int64_t to_line(const void* base, int64_t width) {
  const auto over = static_cast<int64_t>(reinterpret_cast<uintptr_t>(base) % 64);
  return over == 0 ? kUpdateBlock : std::max<int64_t>(1, (64 - over) / width);
}

/// A whole chunk, so that one body holds all of its loops for one instruction set.
template <class T, class Loop>
struct STRATA_HIDDEN ChunkLoop {
  const strata_optim_chunk& chunk;
  T grad_scale;
  const Loop& loop;

  [[gnu::always_inline]] void operator()() const {
    int64_t at = std::min(to_line(chunk.value, size_of(chunk.value_dtype)), chunk.count);
    run(0, at);
    for (; at + kUpdateBlock <= chunk.count; at += kUpdateBlock) {
      run(at, kUpdateBlock);
    }
    run(at, chunk.count - at);
  }

 private:
  template <class At, class Of>
  [[gnu::always_inline]] static At* moved(Of* base, int64_t at, int64_t width) {
    using Byte = std::conditional_t<std::is_const_v<Of>, const std::byte, std::byte>;
    return base == nullptr ? nullptr : reinterpret_cast<At*>(static_cast<Byte*>(base) + at * width);
  }

  [[gnu::always_inline]] void run(int64_t at, int64_t count) const {
    alignas(64) std::array<T, kUpdateBlock> values;
    alignas(64) std::array<T, kUpdateBlock> grads;
    const int64_t value_width = size_of(chunk.value_dtype);
    const int64_t grad_width = size_of(chunk.grad_dtype);
    fetch(chunk.value, at, value_width);
    fetch(chunk.grad, at, grad_width);
    ElementBlock<T> block{moved<T>(chunk.value, at, value_width),
                          moved<const T>(chunk.grad, at, grad_width),
                          {},
                          count,
                          grad_scale};
    for (size_t s = 0; s < block.state.size(); ++s) {
      fetch(chunk.state[s], at, sizeof(T));
      block.state[s] = moved<T>(chunk.state[s], at, sizeof(T));
    }
    if (chunk.value_dtype != kNative<T>) {
      widen_here(block.value, chunk.value_dtype, values.data(), count);
      block.value = values.data();
    }
    if (chunk.grad_dtype != kNative<T>) {
      widen_here(block.grad, chunk.grad_dtype, grads.data(), count);
      block.grad = grads.data();
    }
    loop(block);
    if (chunk.value_dtype != kNative<T>) {
      narrow_here(block.value, chunk.value_dtype, moved<T>(chunk.value, at, value_width), count);
    }
    if (chunk.copy != nullptr) {
      const int64_t copy_width = size_of(chunk.copy_dtype);
      fetch(chunk.copy, at, copy_width);
      narrow_here(block.value, chunk.copy_dtype, moved<T>(chunk.copy, at, copy_width), count);
    }
  }
};

template <class T>
STRATA_HIDDEN void check_types(const strata_optim_chunk& chunk) {
  T nothing{};
  widen(&nothing, chunk.value_dtype, &nothing, 0);
  widen(&nothing, chunk.grad_dtype, &nothing, 0);
  if (chunk.copy != nullptr) {
    narrow(&nothing, chunk.copy_dtype, &nothing, 0);
  }
}

}  // namespace detail

/// Calls loop(const ElementBlock<T>&) for stretches that together are the chunk, and writes its copy.
/// T is the type of the states: double for double values, else float. Values and gradients of other
/// types pass through buffers on the stack. loop's operator() and everything it calls must be
/// always_inline; see simd(). Errors: STRATA_E_ARGUMENT for element types that are no floating point
/// numbers.
template <class T, class Loop>
STRATA_HIDDEN void for_each_block(const strata_optim_chunk& chunk,
                                  double grad_scale,
                                  const Loop& loop) {
  detail::check_types<T>(chunk);
  simd(detail::ChunkLoop<T, Loop>{chunk, static_cast<T>(grad_scale), loop});
}

}  // namespace strata::kit
