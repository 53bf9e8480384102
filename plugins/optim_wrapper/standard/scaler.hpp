// The loss scale of fp16 training: fixed, or raised while gradients stay finite and lowered when
// they do not.
#pragma once

#include <string>
#include <string_view>

#include "strata/cpp/host.hpp"

namespace strata::optim_wrappers {

struct STRATA_HIDDEN ScalerConfig {
  double init_scale = 65536;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  int64_t growth_interval = 2000;
  bool enabled = true;
  bool dynamic = true;
};

/// `loss_scale`: "dynamic", a number (fixed) or a table of the dynamic scaler's arguments.
/// Errors: STRATA_E_CONFIG with the place of the key.
ScalerConfig read_scaler(const Node& node);

class STRATA_HIDDEN Scaler {
 public:
  explicit Scaler(const ScalerConfig& config) : config_(config), scale_(config.init_scale) {}

  [[nodiscard]] double scale() const { return scale_; }

  [[nodiscard]] bool dynamic() const { return config_.dynamic; }

  /// After the update that used scale(), or was skipped for it.
  void update(bool found_inf);
  [[nodiscard]] std::string save() const;
  /// A fixed scale stays as configured.
  void load(std::string_view json);

 private:
  ScalerConfig config_;
  double scale_;
  int64_t good_steps_ = 0;
};

}  // namespace strata::optim_wrappers
