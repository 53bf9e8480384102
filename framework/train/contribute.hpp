// What a strategy's own configuration file adds to the run's (a ds_config.json may name optimizer and schedule).
#pragma once

#include "config/value.hpp"
#include "registry/registry.hpp"

namespace strata::train {

/// Asks the configured strategy for its contributions and writes them into the tree, which is sealed anew.
/// Errors: STRATA_E_CONFIG naming both places for a key that the configuration has as well.
void add_contributions(config::Value& root, const registry::Registry& registry);

}  // namespace strata::train
