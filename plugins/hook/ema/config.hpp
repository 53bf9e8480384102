// The keys of EMAHook.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "strata/cpp/fields.hpp"

#include "average.hpp"

namespace strata::hook_ema {

/// What belongs to an averaged model: in the hook's own table, as in MMEngine, or in that of `ema_type`.
struct STRATA_HIDDEN AverageKeys {
  std::optional<double> momentum;
  std::optional<int64_t> gamma;
  std::optional<int64_t> interval;
  std::optional<bool> update_buffers;
};

struct STRATA_HIDDEN EmaConfig : AverageKeys {
  Node ema_type;
  bool strict_load = false;
  int64_t begin_iter = 0;
  int64_t begin_epoch = 0;
};

/// A configuration that was checked.
struct STRATA_HIDDEN EmaOptions {
  AverageRule rule;
  bool update_buffers = false;
  bool strict_load = false;
  int64_t begin_iter = 0;
  int64_t begin_epoch = 0;  // 0: begin_iter counts
};

/// Errors: STRATA_E_CONFIG: an unknown ema_type, a key that it does not have or that is given twice, a number out of range.
EmaOptions read_options(const EmaConfig& config);

}  // namespace strata::hook_ema
