// What ColossalAIStrategy tells the run's optim_wrapper.
#pragma once

#include <string>
#include <vector>

#include "settings.hpp"

namespace strata::colossalai {

/// A key of the run's configuration and its value.
struct STRATA_HIDDEN Contribution {
  std::string key;      // "optim_wrapper.max_norm"
  std::string toml;     // an inline value
  std::string where;    // what it comes from
  bool yields = false;  // to the user's own key
};

/// The wrapper's type where the user names none; clipping, and for fp16 the loss scale. Any other wrapper refuses the
/// keys as unknown to it.
std::vector<Contribution> contributions(const Settings& settings);

}  // namespace strata::colossalai
