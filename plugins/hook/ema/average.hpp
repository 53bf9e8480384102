// How an average takes in the next values.
#pragma once

#include <cstdint>
#include <optional>

#include "strata/cpp/host.hpp"

namespace strata::hook_ema {

/// avg += weight * (value - avg), or from the other end: what rounds to the same bits as MMEngine's averages do.
struct STRATA_HIDDEN Blend {
  double weight = 0;
  bool from_nearer = true;  // as torch.lerp: exact at both ends; else as torch.add with alpha
};

/// MMEngine's averaged models: what their avg_func() does at each step.
struct STRATA_HIDDEN AverageRule {
  enum class Kind { kExponential, kAnnealing, kStochastic };

  Kind kind = Kind::kExponential;
  double momentum = 0.0002;
  int64_t gamma = 100;
  int64_t interval = 1;

  /// steps: values seen so far, at least one. Nothing: this one is left out.
  [[nodiscard]] std::optional<Blend> next(int64_t steps) const;
};

/// Takes `count` values into an average; both of dtype (f16, bf16, f32 or f64), anywhere but overlapping in part.
/// Half precisions are widened to float and rounded once. The same bits on every machine and however values are cut.
/// Source   torch's lerp and add kernels, which fuse the multiplication and the addition.
void blend(void* average, const void* value, int64_t count, int32_t dtype, const Blend& how);

}  // namespace strata::hook_ema
