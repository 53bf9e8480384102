// Everything that can be refused before a run begins.
#pragma once

#include <memory>

#include "app/cli.hpp"
#include "comm/launch_info.hpp"
#include "config/value.hpp"
#include "registry/registry.hpp"

namespace strata::app {

/// The registry over the configuration's plugin paths and the usual ones.
std::unique_ptr<registry::Registry> make_registry(const train::RunConfig& run);

/// Adds what the strategy's own file contributes, parses the host's sections and creates every plugin object once, so that each refusal comes before any rank starts,
/// any memory is allocated and any file is written. Data is opened unless this is a dry run.
/// launch: of this process, when a launcher started one for each rank. Errors: STRATA_E_CONFIG.
void preflight(config::Value& root,
               const RunOptions& options,
               int world_size,
               const comm::LaunchInfo& launch = {});

}  // namespace strata::app
