// ColossalAI's loss scale: grows after so many good updates in a row, shrinks when gradients keep overflowing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "strata/cpp/host.hpp"

namespace strata::colossalai {

struct STRATA_HIDDEN LossScalerConfig {
  double initial_scale = 65536;
  double min_scale = 1;
  double max_scale = 4294967296;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  int64_t growth_interval = 1000;  // good updates in a row
  int64_t hysteresis = 2;          // overflows until one shrinks the scale
};

/// Errors: STRATA_E_CONFIG with the place of the key.
LossScalerConfig read_loss_scaler(const Node& table);

/// Source: the rules of ColossalAI's dynamic scaler. Overflows are counted up to `hysteresis`, and from then on each one
/// shrinks the scale, until growth sets the count to zero. The scale stays in [min_scale, max_scale]. Unlike there, an
/// update is unscaled by the scale of its own backward, and all counts are saved.
class STRATA_HIDDEN LossScaler {
 public:
  explicit LossScaler(const LossScalerConfig& config)
      : config_(config), scale_(config.initial_scale) {}

  [[nodiscard]] double scale() const { return scale_; }

  /// After the update that used scale(), or was left out for its overflow.
  void update(bool overflow);

  [[nodiscard]] std::string save() const;
  void load(std::string_view json);

 private:
  LossScalerConfig config_;
  double scale_;
  int64_t good_ = 0;       // updates since the last overflow or growth
  int64_t overflows_ = 0;  // since the last growth, at most `hysteresis`
};

}  // namespace strata::colossalai
