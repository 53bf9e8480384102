// The configuration as plugins see it: strata_node is config::Value behind a C table.
#pragma once

#include "strata/abi/host.h"

#include "config/value.hpp"

namespace strata::registry {

/// The value must stay where it is as long as the plugin may use the node.
const strata_node* as_node(const config::Value& value);

/// The table handed to plugins.
const strata_config_api* config_service();

}  // namespace strata::registry
