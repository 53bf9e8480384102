// The plugin of the communicator "threads".
#include "threads.hpp"

using strata::threads::Threads;
using strata::threads::ThreadsConfig;

STRATA_PLUGIN(strata::exported<Threads, ThreadsConfig>("threads")
                  .doc("Ranks as threads of one process")
                  .field("slot_bytes",
                         &ThreadsConfig::slot_bytes,
                         "memory of each rank for data under way",
                         "[65536, 1073741824]"));
