// What a strategy's own configuration file adds to the run's (a ds_config.json may name optimizer and schedule).
#pragma once

#include "config/value.hpp"
#include "registry/registry.hpp"

namespace strata::train {

/// What a strategy is told of the run for that.
struct ContributionFacts {
  int32_t world_size = 1;
  int64_t micro_batch_size = 0;  // 0 without a train loader
};

/// Asks the configured strategy for its contributions and writes them into the tree, which is sealed anew. They are about
/// training: without an optim_wrapper there are none.
/// Errors: STRATA_E_CONFIG naming both places for a key that the configuration has as well, with another value.
void add_contributions(config::Value& root,
                       const registry::Registry& registry,
                       const ContributionFacts& facts);

}  // namespace strata::train
