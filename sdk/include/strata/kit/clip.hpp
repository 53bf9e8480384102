// Gradient clipping by global norm or by value, through the host's update service.
#pragma once

#include "strata/abi.h"
#include "strata/cpp/host.hpp"

namespace strata::kit {

/// `clip_grad`: {type = "norm", max_norm, norm_type = 2, error_if_nonfinite = false} or {type =
/// "value", clip_value}.
struct STRATA_HIDDEN Clip {
  enum class Kind { kNone, kNorm, kValue };

  Kind kind = Kind::kNone;
  double limit = 0;  // max_norm or clip_value
  double norm_type = 2;
  bool error_if_nonfinite = false;
};

/// What clipping found.
struct STRATA_HIDDEN Clipped {
  double norm;  // NaN when none was computed
  bool usable;  // false: the norm is inf or NaN, so is some gradient
};

/// Errors: STRATA_E_CONFIG with the place of the key. An empty node means no clipping.
Clip read_clip(const Node& node);

/// Collective. Errors: STRATA_E_FAILED for a norm of inf or NaN when error_if_nonfinite is set.
Clipped clip_gradients(const Clip& clip, strata_runtime* rt);

}  // namespace strata::kit
