// DeepSpeed's loss scale: fixed, or doubled while gradients stay finite and halved when they keep
// overflowing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "strata/cpp/host.hpp"

namespace strata::deepspeed {

/// The keys of DeepSpeed's `fp16` that concern the scale.
struct STRATA_HIDDEN LossScalerConfig {
  double loss_scale = 0;                // 0: dynamic; else this one always
  int64_t initial_scale_power = 16;     // a dynamic one starts at 2^this
  int64_t loss_scale_window = 1000;     // updates after the last overflow that double it
  int64_t hysteresis = 2;               // overflows that halve it
  bool consecutive_hysteresis = false;  // an update without overflow counts them anew
  int64_t min_loss_scale = 1;
  // Overflows in a row at the minimum before the run is given up; -1: never. DeepSpeed gives up at
  // the first.
  int64_t min_loss_scale_warnings = 10;
};

/// Errors: STRATA_E_CONFIG with the place of the key.
LossScalerConfig read_loss_scaler(const Node& table);

/// Source: the rules of DeepSpeed's dynamic scaler, except that an update is unscaled by the scale of
/// its own backward (DeepSpeed moves the scale first).
class STRATA_HIDDEN LossScaler {
 public:
  enum class Verdict {
    kGoOn,
    kAtMinimum,  // overflow at the smallest scale; there is nothing to lower
    kGiveUp      // … for more than min_loss_scale_warnings times in a row
  };

  explicit LossScaler(const LossScalerConfig& config);

  [[nodiscard]] double scale() const { return scale_; }

  /// After the update that used scale(), or was left out for its overflow.
  Verdict update(bool overflow);

  [[nodiscard]] std::string save() const;
  /// A fixed scale stays as configured.
  void load(std::string_view json);

 private:
  Verdict lower();
  void raise_if_due();

  LossScalerConfig config_;
  double scale_;
  int64_t updates_ = 0;         // seen, overflows included
  int64_t last_overflow_ = -1;  // number of the update, from 0
  int64_t hysteresis_;          // overflows left before the scale is halved
  int64_t at_minimum_ = 0;      // overflows in a row
};

}  // namespace strata::deepspeed
