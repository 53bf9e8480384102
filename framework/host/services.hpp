// The services this host offers to plugins, all in one place.
#pragma once

#include "strata/abi/host.h"

namespace strata::host {

/// The one table of the process, with every service. [any]
const strata_host* services();

}  // namespace strata::host
