// What stands behind the opaque strata_runtime: the parts of one runner on one rank. Plain pointers, owned by the host.
#pragma once

#include "strata/abi/core.h"

namespace strata {

namespace comm {
class World;
}  // namespace comm

namespace hooks {
class MessageHub;
class RunControl;
}  // namespace hooks

namespace log {
class Log;
}  // namespace log

namespace optim {
class Updater;
}  // namespace optim

namespace unit {
class Memory;
class Model;
class Tracker;
}  // namespace unit

}  // namespace strata

struct strata_runtime {
  strata::log::Log* log = nullptr;
  strata::comm::World* comm = nullptr;
  strata::unit::Memory* memory = nullptr;
  strata::unit::Model* model = nullptr;
  strata::unit::Tracker* tracker = nullptr;
  strata::hooks::MessageHub* hub = nullptr;
  strata::hooks::RunControl* run = nullptr;
  strata::optim::Updater* update = nullptr;
  struct strata_group* batch_norm_group =
      nullptr;  // over which SDK batch norm takes its statistics
};
