// What a DeepSpeed configuration says that the run's own sections have to know.
#pragma once

#include <string>
#include <vector>

#include "settings/batch.hpp"
#include "settings/read.hpp"

namespace strata::deepspeed {

/// A key of the run's configuration and its value.
struct STRATA_HIDDEN Contribution {
  std::string key;      // "optim_wrapper.clip_grad"
  std::string toml;     // an inline value
  std::string where;    // what it comes from
  bool yields = false;  // to the user's own key
};

/// Optimizer, schedule, clipping, accumulation and loss scale, as far as the configuration says anything of them.
/// notes: receives a line for each "auto" that nothing resolves.
/// Errors: STRATA_E_CONFIG at the key: an optimizer or scheduler that is unknown or cannot be had, an argument that
/// belongs elsewhere, batch sizes that do not fit.
std::vector<Contribution> contributions(const Loaded& loaded,
                                        const BatchFacts& facts,
                                        std::vector<std::string>& notes);

}  // namespace strata::deepspeed
