// The batch triad: train_batch_size = train_micro_batch_size_per_gpu x gradient_accumulation_steps x
// ranks.
#pragma once

#include "config.hpp"

namespace strata::deepspeed {

/// What the run says. 0: not known (yet).
struct STRATA_HIDDEN BatchFacts {
  int64_t micro = 0;  // train_dataloader.batch_size
  int64_t ranks = 0;
};

/// The accumulation that follows from the keys; nothing when they leave it to the run.
/// where: of the first batch key, for errors.
/// Errors: STRATA_E_CONFIG with the numbers and what to change, when the keys do not fit the loader
/// and the number of ranks.
std::optional<int64_t> accumulation(const BatchKeys& keys,
                                    const BatchFacts& facts,
                                    const std::string& where);

}  // namespace strata::deepspeed
