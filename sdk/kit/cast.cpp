// Casts and additions, block by block through float or double.
#include "strata/kit/cast.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "strata/kit/element_blocks.hpp"

namespace strata::kit {
namespace {

template <class T>
struct AddLoop {
  T* to;
  const T* from;
  int64_t count;

  [[gnu::always_inline]] void operator()() const {
    for (int64_t i = 0; i < count; ++i) {
      to[i] += from[i];
    }
  }
};

const std::byte* at(const void* base, int32_t dtype, int64_t index) {
  return static_cast<const std::byte*>(base) + index * size_of(dtype);
}

std::byte* at(void* base, int32_t dtype, int64_t index) {
  return static_cast<std::byte*>(base) + index * size_of(dtype);
}

template <class T>
void cast_through(void* to, int32_t to_dtype, const void* from, int32_t from_dtype, int64_t count) {
  alignas(64) std::array<T, kBlock> block;
  for (int64_t done = 0; done < count; done += kBlock) {
    const int64_t n = std::min(kBlock, count - done);
    detail::widen(at(from, from_dtype, done), from_dtype, block.data(), n);
    detail::narrow(block.data(), to_dtype, at(to, to_dtype, done), n);
  }
}

template <class T>
void add_through(void* to, int32_t to_dtype, const void* from, int32_t from_dtype, int64_t count) {
  alignas(64) std::array<T, kBlock> sum;
  alignas(64) std::array<T, kBlock> term;
  for (int64_t done = 0; done < count; done += kBlock) {
    const int64_t n = std::min(kBlock, count - done);
    detail::widen(at(to, to_dtype, done), to_dtype, sum.data(), n);
    detail::widen(at(from, from_dtype, done), from_dtype, term.data(), n);
    simd(AddLoop<T>{sum.data(), term.data(), n});
    detail::narrow(sum.data(), to_dtype, at(to, to_dtype, done), n);
  }
}

bool wide(int32_t a, int32_t b) {
  return a == STRATA_F64 || b == STRATA_F64;
}

}  // namespace

void cast(void* to, int32_t to_dtype, const void* from, int32_t from_dtype, int64_t count) {
  if (to_dtype == from_dtype) {
    if (to != from && count > 0) {
      std::memcpy(to, from, static_cast<size_t>(count * size_of(to_dtype)));
    }
    return;
  }
  if (wide(to_dtype, from_dtype)) {
    cast_through<double>(to, to_dtype, from, from_dtype, count);
  } else {
    cast_through<float>(to, to_dtype, from, from_dtype, count);
  }
}

void add(void* to, int32_t to_dtype, const void* from, int32_t from_dtype, int64_t count) {
  if (to_dtype == STRATA_F32 && from_dtype == STRATA_F32) {
    simd(AddLoop<float>{static_cast<float*>(to), static_cast<const float*>(from), count});
  } else if (wide(to_dtype, from_dtype)) {
    add_through<double>(to, to_dtype, from, from_dtype, count);
  } else {
    add_through<float>(to, to_dtype, from, from_dtype, count);
  }
}

}  // namespace strata::kit
