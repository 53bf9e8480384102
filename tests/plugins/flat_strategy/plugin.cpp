// FlatStrategy behind the C border.
#include "../../unit/unit/flat_strategy.hpp"

STRATA_PLUGIN(strata::exported<strata::testing::FlatStrategy>("FlatStrategy").doc("One sharded flat buffer per unit."));
