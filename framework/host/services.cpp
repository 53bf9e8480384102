// Every service table of the host, by id.
#include "host/services.hpp"

#include "strata/abi/data.h"
#include "strata/abi/model.h"
#include "strata/abi/services.h"

#include "border/errors.hpp"
#include "comm/world.hpp"
#include "data/sample.hpp"
#include "hooks/message_hub.hpp"
#include "hooks/run_control.hpp"
#include "log/log.hpp"
#include "optim/updater.hpp"
#include "registry/config_service.hpp"
#include "registry/host.hpp"
#include "unit/memory.hpp"
#include "unit/model.hpp"
#include "unit/tracker.hpp"

namespace strata::host {

const strata_host* services() {
  return registry::make_host(
      {border::error_service(), log::log_service(), registry::config_service()},
      {
          {STRATA_TENSOR_API, unit::tensor_service()},
          {STRATA_MEMORY_API, unit::memory_service()},
          {STRATA_PARAM_API, unit::param_service()},
          {STRATA_UNITS_API, unit::units_service()},
          {STRATA_AUTOGRAD_API, unit::autograd_service()},
          {STRATA_COMM_API, comm::comm_service()},
          {STRATA_STREAM_API, comm::stream_service()},
          {STRATA_HUB_API, hooks::hub_service()},
          {STRATA_RUNNER_API, hooks::runner_service()},
          {STRATA_UPDATE_API, optim::update_service()},
          {STRATA_SAMPLE_API, data::sample_service()},
      });
}

}  // namespace strata::host
