// Plain loops over stretches of gradients: look for inf and NaN, scale, clamp, sum powers.
#pragma once

#include <array>
#include <cstdint>

namespace strata::optim {

/// A stretch of gradient elements of type dtype (STRATA_F16, BF16, F32 or F64).
struct GradSpan {
  void* data;
  int64_t count;
  int32_t dtype;
};

/// Whether any element is inf or NaN.
bool has_nonfinite(const GradSpan& grads);
/// Multiplies in place.
void scale(const GradSpan& grads, double factor);
/// Multiplies, then each element to [-limit, limit]; NaN stays.
void clamp(const GradSpan& grads, double factor, double limit);

/// The sum of |factor * g|^p over one parameter, p infinite: the maximum.
///
/// Elements are added to lanes chosen by their place in the parameter, so the bits do not depend on
/// the stretches it was cut into, as long as these come in order.
class PowerSum {
 public:
  explicit PowerSum(double p, double factor = 1) : p_(p), factor_(factor) {}

  /// param_offset: of the first element, in the flattened parameter.
  void add(const GradSpan& grads, int64_t param_offset);
  [[nodiscard]] double total() const;

 private:
  static constexpr int64_t kLanes = 16;

  double p_;
  double factor_;
  std::array<double, kLanes> lanes_{};
};

/// Combines the totals of two parameters, and ends with the norm.
double combine(double p, double a, double b);
double root(double p, double total);

}  // namespace strata::optim
