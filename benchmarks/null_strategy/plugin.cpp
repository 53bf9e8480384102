// The null strategy as a plugin, so that the calls that are timed go into another library.
#include "null_strategy.hpp"

STRATA_PLUGIN(strata::exported<strata::bench::NullStrategy>("NullStrategy")
                  .doc("Hears every event, does nothing."));
