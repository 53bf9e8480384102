// FlatStrategy behind the C border.
#include "../../unit/unit/flat_strategy.hpp"

using strata::testing::FlatConfig;

STRATA_PLUGIN(strata::exported<strata::testing::FlatStrategy, FlatConfig>("FlatStrategy")
                  .doc("One sharded flat buffer per unit.")
                  .field("outside",
                         &FlatConfig::outside,
                         "ending of the names of parameters without optimizer view")
                  .field("layout",
                         &FlatConfig::layout,
                         "transposed: matrices lie column by column"));
