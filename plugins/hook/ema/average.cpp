// Rules and loops of averages.
#include "average.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "strata/kit/element_blocks.hpp"

namespace strata::hook_ema {
namespace {

[[gnu::always_inline]] inline float fused(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

[[gnu::always_inline]] inline double fused(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}

template <class T>
struct BlendLoop {
  T* average;
  const T* value;
  int64_t count;
  T weight;
  bool from_average;  // which end the difference is added to

  [[gnu::always_inline]] void operator()() const { run(average, value); }

 private:
  [[gnu::always_inline]] void run(T* __restrict avg, const T* __restrict next) const {
    for (int64_t i = 0; i < count; ++i) {
      avg[i] = fused(weight, next[i] - avg[i], from_average ? avg[i] : next[i]);
    }
  }
};

template <class T>
BlendLoop<T> loop_of(T* average, const T* value, int64_t count, const Blend& how) {
  const auto weight = static_cast<T>(how.weight);
  const bool from_average = !how.from_nearer || std::abs(weight) < T(0.5);
  return {average, value, count, from_average ? weight : weight - T(1), from_average};
}

void blend_half(
    std::byte* average, const std::byte* value, int64_t count, int32_t dtype, const Blend& how) {
  alignas(64) std::array<float, kit::kBlock> averages;
  alignas(64) std::array<float, kit::kBlock> values;
  for (int64_t at = 0; at < count; at += kit::kBlock) {
    const int64_t n = std::min(kit::kBlock, count - at);
    const int64_t byte = at * size_of(dtype);
    kit::detail::widen(average + byte, dtype, averages.data(), n);
    kit::detail::widen(value + byte, dtype, values.data(), n);
    kit::simd(loop_of<float>(averages.data(), values.data(), n, how));
    kit::detail::narrow(averages.data(), dtype, average + byte, n);
  }
}

}  // namespace

std::optional<Blend> AverageRule::next(int64_t steps) const {
  if (steps % interval != 0) {
    return std::nullopt;
  }
  switch (kind) {
    case Kind::kStochastic: {
      const int64_t averaged = steps / interval + 1;
      return Blend{1.0 / static_cast<double>(averaged), false};
    }
    case Kind::kAnnealing:
      return Blend{
          std::max(momentum, static_cast<double>(gamma) / static_cast<double>(gamma + steps)),
          true};
    default:
      return Blend{momentum, true};
  }
}

void blend(void* average, const void* value, int64_t count, int32_t dtype, const Blend& how) {
  switch (dtype) {
    case STRATA_F32:
      return kit::simd(loop_of<float>(
          static_cast<float*>(average), static_cast<const float*>(value), count, how));
    case STRATA_F64:
      return kit::simd(loop_of<double>(
          static_cast<double*>(average), static_cast<const double*>(value), count, how));
    default:
      return blend_half(static_cast<std::byte*>(average),
                        static_cast<const std::byte*>(value),
                        count,
                        dtype,
                        how);
  }
}

}  // namespace strata::hook_ema
