// The host table that every plugin of this process gets.
#pragma once

#include <string>
#include <vector>

#include "strata/abi/host.h"

namespace strata::registry {

/// A table that plugins may ask for. It must live as long as the process.
struct Service {
  std::string id;  ///< STRATA_MEMORY_API, …
  const void* table;
};

/// What the table holds directly.
struct CoreServices {
  const strata_error_api* error;
  const strata_log_api* log;
  const strata_config_api* config;
};

/// The one table of the process: plugins keep it for ever, and its get() has no argument that could
/// tell two hosts apart. Later calls return the same one and may add services. [any] Errors:
/// STRATA_E_ARGUMENT when an id or a core service is given again with another table.
const strata_host* make_host(const CoreServices& core, const std::vector<Service>& services);

}  // namespace strata::registry
