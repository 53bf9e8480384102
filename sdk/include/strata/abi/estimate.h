/* What a strategy may offer `strata estimate` beyond its estimate(). */
#ifndef STRATA_ABI_ESTIMATE_H
#define STRATA_ABI_ESTIMATE_H

#include "strata/abi/strategy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Receives ways to configure a strategy. label: "FULL_SHARD"; toml: keys for the strategy's table, as a TOML document
 * ("sharding_strategy = \"FULL_SHARD\""), which replace those of the user. Texts are copied. */
typedef struct strata_variant_sink {
  void* ctx;
  strata_rc (*put)(void* ctx, strata_str label, strata_str toml);
} strata_variant_sink;

/* Extension of a strategy, by get_extension(): the choices that change what memory and traffic it needs. The host makes an
 * object for each and asks its estimate(). [main]; at any time after create; allocates nothing large. */
#define STRATA_EXT_ESTIMATE_VARIANTS "strata.estimate_variants/1"

typedef struct strata_estimate_variants_api {
  strata_hdr h;
  strata_rc (*list)(void* self, const strata_variant_sink* out); /* * */
} strata_estimate_variants_api;

#ifdef __cplusplus
}
#endif

#endif
