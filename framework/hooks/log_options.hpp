// The `log_processor` table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/value.hpp"

namespace strata::hooks {

/// One entry of `custom_cfg`: another statistic of a scalar.
struct CustomScalar {
  enum class Method { kMean, kMax, kMin, kCurrent };
  enum class Window { kFixed, kEpoch, kGlobal, kAll };

  std::string source;  ///< without "train/"
  std::string name;    ///< under which it is logged; that of the source: instead of it
  Method method = Method::kMean;
  Window window = Window::kAll;
  int64_t size = 0;  ///< of a kFixed window
};

struct LogOptions {
  int64_t window_size = 10;
  std::optional<bool> by_epoch;  ///< absent: as the training loop counts
  std::vector<CustomScalar> custom;
  int num_digits = 4;
  bool log_with_hierarchy = false;
  std::string mean_pattern =
      ".*(loss|time|data_time|grad_norm).*";  ///< ECMAScript, searched in the name
};

/// table: or nullptr for the defaults. Errors: STRATA_E_CONFIG with the place: unknown keys and
/// values, a pattern that is none, two entries of one log_name, an "epoch" window with by_epoch =
/// false.
LogOptions parse_log_options(const config::Value* table);

}  // namespace strata::hooks
