// What optimizers refuse alike.
#pragma once

#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::kit {

/// `betas`: two numbers in [0, 1). Errors: STRATA_E_CONFIG.
STRATA_HIDDEN inline void check_betas(const std::vector<double>& betas) {
  if (betas.size() != 2) {
    throw config_error("", "betas wants two numbers, has ", betas.size());
  }
  for (const double beta : betas) {
    if (!(beta >= 0 && beta < 1)) {
      throw config_error("", "betas must lie in [0, 1), one is ", beta);
    }
  }
}

/// DeepSpeed's `fp32_optimizer_states`. Errors: STRATA_E_CONFIG when it is false.
STRATA_HIDDEN inline void check_fp32_states(bool fp32_optimizer_states) {
  if (!fp32_optimizer_states) {
    throw config_error("",
                       "fp32_optimizer_states = false is not supported: states are fp32 for "
                       "half-precision parameters; leave it out");
  }
}

}  // namespace strata::kit
