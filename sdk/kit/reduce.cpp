// Elementwise reductions in rank order, block by block so that the accumulators stay in the nearest
// cache.
#include "strata/kit/reduce.hpp"

#include <algorithm>
#include <type_traits>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"
#include "strata/kit/float16.hpp"

namespace strata::kit {
namespace {

constexpr int64_t kBlockElements = 1024;

// How an element type is accumulated: T in memory, Acc while adding.
template <class T>
struct Lane {
  using Acc = T;

  static Acc load(T value) { return value; }

  static T store(Acc value) { return value; }
};

template <>
struct Lane<Half> {
  using Acc = float;

  static Acc load(Half value) { return to_float(value); }

  static Half store(Acc value) { return to_half(value); }
};

template <>
struct Lane<BFloat16> {
  using Acc = float;

  static Acc load(BFloat16 value) { return to_float(value); }

  static BFloat16 store(Acc value) { return to_bfloat16(value); }
};

struct Sum {
  template <class A>
  static A apply(A a, A b) {
    if constexpr (std::is_integral_v<A>) {
      using U = std::make_unsigned_t<A>;
      return static_cast<A>(
          static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));  // wraps, is defined
    } else {
      return a + b;
    }
  }
};

struct Max {
  template <class A>
  static A apply(A a, A b) {
    return b > a || b != b ? b : a;
  }
};

struct Min {
  template <class A>
  static A apply(A a, A b) {
    return b < a || b != b ? b : a;
  }
};

template <class T, class Op>
void reduce_typed(std::span<const std::byte* const> rows, std::byte* out, int64_t count) {
  using L = Lane<T>;
  alignas(64) typename L::Acc acc[kBlockElements];
  T* const target = reinterpret_cast<T*>(out);
  for (int64_t at = 0; at < count; at += kBlockElements) {
    const int64_t n = std::min(kBlockElements, count - at);
    const T* first = reinterpret_cast<const T*>(rows[0]) + at;
    for (int64_t i = 0; i < n; ++i) {
      acc[i] = L::load(first[i]);
    }
    for (const std::byte* row : rows.subspan(1)) {
      const T* next = reinterpret_cast<const T*>(row) + at;
      for (int64_t i = 0; i < n; ++i) {
        acc[i] = Op::apply(acc[i], L::load(next[i]));
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      target[at + i] = L::store(acc[i]);
    }
  }
}

template <class T>
void reduce_op(std::span<const std::byte* const> rows, std::byte* out, int64_t count, int32_t op) {
  switch (op) {
    case STRATA_SUM:
      return reduce_typed<T, Sum>(rows, out, count);
    case STRATA_MAX:
      return reduce_typed<T, Max>(rows, out, count);
    case STRATA_MIN:
      return reduce_typed<T, Min>(rows, out, count);
    default:
      throw Error(STRATA_E_ARGUMENT,
                  text("reduction ", op, " is none of STRATA_SUM, STRATA_MAX, STRATA_MIN"));
  }
}

}  // namespace

const char* reduce_name(int32_t op) {
  switch (op) {
    case STRATA_SUM:
      return "sum";
    case STRATA_MAX:
      return "max";
    case STRATA_MIN:
      return "min";
    default:
      return "?";
  }
}

void reduce_rows(std::span<const std::byte* const> rows,
                 std::byte* out,
                 int64_t count,
                 int32_t dtype,
                 int32_t op) {
  switch (dtype) {
    case STRATA_U8:
      return reduce_op<uint8_t>(rows, out, count, op);
    case STRATA_I8:
      return reduce_op<int8_t>(rows, out, count, op);
    case STRATA_BOOL:  // values 0 and 1: the sum that stays a bool is the maximum
      return reduce_op<uint8_t>(rows, out, count, op == STRATA_SUM ? STRATA_MAX : op);
    case STRATA_I32:
      return reduce_op<int32_t>(rows, out, count, op);
    case STRATA_I64:
      return reduce_op<int64_t>(rows, out, count, op);
    case STRATA_F16:
      return reduce_op<Half>(rows, out, count, op);
    case STRATA_BF16:
      return reduce_op<BFloat16>(rows, out, count, op);
    case STRATA_F32:
      return reduce_op<float>(rows, out, count, op);
    case STRATA_F64:
      return reduce_op<double>(rows, out, count, op);
    default:
      static_cast<void>(size_of(dtype));
  }
}

}  // namespace strata::kit
