// Loops over gradients.
#include "optim/gradients.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "strata/kit/float16.hpp"
#include "strata/kit/simd.hpp"

namespace strata::optim {
namespace {

using kit::BFloat16;
using kit::Half;

template <class E>
[[gnu::always_inline]] inline auto widen(E e) {
  if constexpr (std::is_arithmetic_v<E>) {
    return e;
  } else {
    return kit::to_float(e);
  }
}

template <class E, class T>
[[gnu::always_inline]] inline E narrow(T value) {
  if constexpr (std::is_same_v<E, Half>) {
    return kit::to_half(value);
  } else if constexpr (std::is_same_v<E, BFloat16>) {
    return kit::to_bfloat16(value);
  } else {
    return value;
  }
}

/// Calls f with the span's typed pointer.
template <class F>
void typed(const GradSpan& g, const F& f) {
  switch (g.dtype) {
    case STRATA_F16:
      return f(static_cast<Half*>(g.data));
    case STRATA_BF16:
      return f(static_cast<BFloat16*>(g.data));
    case STRATA_F32:
      return f(static_cast<float*>(g.data));
    case STRATA_F64:
      return f(static_cast<double*>(g.data));
    default:
      throw Error(STRATA_E_ARGUMENT,
                  text("a gradient has element type ", g.dtype, ", which is no float"));
  }
}

template <class E>
struct ScaleLoop {
  E* data;
  int64_t count;
  double factor;

  [[gnu::always_inline]] void operator()() const {
    using T = decltype(widen(E{}));
    const T f = static_cast<T>(factor);
    for (int64_t i = 0; i < count; ++i) {
      data[i] = narrow<E>(widen(data[i]) * f);
    }
  }
};

template <class E>
struct LookLoop {
  const E* data;
  int64_t count;
  int32_t* found;

  [[gnu::always_inline]] void operator()() const {
    using T = decltype(widen(E{}));
    int32_t bad = 0;
    for (int64_t i = 0; i < count; ++i) {
      const T difference = widen(data[i]) - widen(data[i]);  // 0, or NaN for inf and NaN
      bad |= difference == 0 ? 0 : 1;
    }
    *found = bad;
  }
};

template <class E>
struct ClampLoop {
  E* data;
  int64_t count;
  double factor;
  double limit;

  [[gnu::always_inline]] void operator()() const {
    using T = decltype(widen(E{}));
    const T f = static_cast<T>(factor);
    const T high = static_cast<T>(limit);
    for (int64_t i = 0; i < count; ++i) {
      T g = widen(data[i]) * f;
      g = g > high ? high : g;
      g = g < -high ? -high : g;
      data[i] = narrow<E>(g);
    }
  }
};

enum class Power { kOne, kTwo, kMax, kAny };

template <Power kPower>
[[gnu::always_inline]] inline double add_to(double sum, double g, double p) {
  const double size = std::fabs(g);
  if constexpr (kPower == Power::kOne) {
    return sum + size;
  } else if constexpr (kPower == Power::kTwo) {
    return sum + g * g;
  } else if constexpr (kPower == Power::kMax) {
    return size > sum || size != size ? size : sum;  // NaN wins and stays
  } else {
    return sum + std::pow(size, p);
  }
}

template <class E, Power kPower>
struct SumLoop {
  const E* data;
  int64_t count;
  int64_t first;  // lane of data[0]
  double* lanes;
  double p;
  double factor;

  [[gnu::always_inline]] void operator()() const {
    constexpr int64_t kLanes = 16;
    const auto f = static_cast<decltype(widen(E{}))>(factor);
    int64_t i = 0;
    for (int64_t lane = first; lane % kLanes != 0 && i < count; ++lane, ++i) {
      lanes[lane] = add_to<kPower>(lanes[lane], widen(data[i]) * f, p);
    }
    double sums[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] = lanes[lane];
    }
    for (; i + kLanes <= count; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        sums[lane] = add_to<kPower>(sums[lane], widen(data[i + lane]) * f, p);
      }
    }
    for (int64_t lane = 0; i < count; ++lane, ++i) {
      sums[lane] = add_to<kPower>(sums[lane], widen(data[i]) * f, p);
    }
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = sums[lane];
    }
  }
};

Power power_of(double p) {
  if (std::isinf(p)) {
    return Power::kMax;
  }
  return p == 1 ? Power::kOne : p == 2 ? Power::kTwo : Power::kAny;
}

}  // namespace

void scale(const GradSpan& grads, double factor) {
  typed(grads, [&](auto* data) {
    kit::simd(ScaleLoop<std::remove_pointer_t<decltype(data)>>{data, grads.count, factor});
  });
}

bool has_nonfinite(const GradSpan& grads) {
  int32_t found = 0;
  typed(grads, [&](auto* data) {
    kit::simd(LookLoop<std::remove_pointer_t<decltype(data)>>{data, grads.count, &found});
  });
  return found != 0;
}

void clamp(const GradSpan& grads, double factor, double limit) {
  typed(grads, [&](auto* data) {
    kit::simd(ClampLoop<std::remove_pointer_t<decltype(data)>>{data, grads.count, factor, limit});
  });
}

void PowerSum::add(const GradSpan& grads, int64_t param_offset) {
  typed(grads, [&](auto* data) {
    using E = std::remove_pointer_t<decltype(data)>;
    const int64_t first = param_offset % kLanes;
    double* const lanes = lanes_.data();
    switch (power_of(p_)) {
      case Power::kOne:
        return kit::simd(SumLoop<E, Power::kOne>{data, grads.count, first, lanes, p_, factor_});
      case Power::kTwo:
        return kit::simd(SumLoop<E, Power::kTwo>{data, grads.count, first, lanes, p_, factor_});
      case Power::kMax:
        return kit::simd(SumLoop<E, Power::kMax>{data, grads.count, first, lanes, p_, factor_});
      case Power::kAny:
        return kit::simd(SumLoop<E, Power::kAny>{data, grads.count, first, lanes, p_, factor_});
    }
  });
}

double PowerSum::total() const {
  double out = 0;
  for (const double lane : lanes_) {
    out = combine(p_, out, lane);
  }
  return out;
}

double combine(double p, double a, double b) {
  if (!std::isinf(p)) {
    return a + b;
  }
  return std::isnan(a) || a > b ? a : b;
}

double root(double p, double total) {
  switch (power_of(p)) {
    case Power::kTwo:
      return std::sqrt(total);
    case Power::kAny:
      return std::pow(total, 1 / p);
    default:
      return total;
  }
}

}  // namespace strata::optim
