// What DeepSpeedStrategy was asked for, resolved: the only thing its engines read.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::deepspeed {

/// `fp16`: half-precision weights and gradients, fp32 master weights, a loss scale.
struct STRATA_HIDDEN Fp16 {
  bool enabled = false;
  bool auto_cast = false;  // every floating input of the model becomes fp16
  double loss_scale = 0;   // 0: dynamic
  int64_t initial_scale_power = 16;
  int64_t loss_scale_window = 1000;  // updates without overflow that double the scale
  int64_t hysteresis = 2;            // overflows that halve it
  bool consecutive_hysteresis = false;
  int64_t min_loss_scale = 1;
  int64_t min_loss_scale_warnings = 10;  // ours: overflows at the minimum before the run is ended

  friend bool operator==(const Fp16&, const Fp16&) = default;
};

struct STRATA_HIDDEN Bf16 {
  bool enabled = false;
  bool check_grad_overflow = true;  // skip an update with inf or NaN in the gradients

  friend bool operator==(const Bf16&, const Bf16&) = default;
};

/// `zero_optimization`. Sizes are in elements.
struct STRATA_HIDDEN Zero {
  int64_t stage = 0;
  int64_t reduce_bucket_size = 500'000'000;
  std::optional<bool> overlap_comm;  // absent: at stage 3 only
  int64_t prefetch_bucket_size = 50'000'000;
  int64_t param_persistence_threshold = 100'000;
  int64_t model_persistence_threshold = std::numeric_limits<int64_t>::max();
  int64_t max_live_parameters = 1'000'000'000;
  int64_t max_reuse_distance = 1'000'000'000;
  std::vector<std::string> leaf_classes;
  std::vector<std::string> leaf_names;
  std::vector<std::string> leaf_name_suffixes;

  [[nodiscard]] bool overlaps() const { return overlap_comm.value_or(stage == 3); }

  friend bool operator==(const Zero&, const Zero&) = default;
};

/// The batch triad as given; see batch.hpp for what follows from it.
struct STRATA_HIDDEN BatchKeys {
  std::optional<int64_t> train;  // samples of one update, all ranks together
  std::optional<int64_t> micro;  // samples of one rank's iteration
  std::optional<int64_t> accumulation;

  friend bool operator==(const BatchKeys&, const BatchKeys&) = default;
};

/// A position in the preprocessed batch, or the name of one of its fields.
struct STRATA_HIDDEN HalfInput {
  int64_t position = -1;  // -1: by name
  std::string name;

  friend bool operator==(const HalfInput&, const HalfInput&) = default;
};

struct STRATA_HIDDEN DeepSpeedConfig {
  std::string source;  // the JSON file; empty when everything stands in the run's own file
  bool engine_defaults =
      false;  // a whole DeepSpeed configuration: what it leaves out has DeepSpeed's default
  BatchKeys batch;
  std::string batch_where;  // of the first batch key given
  Fp16 fp16;
  Bf16 bf16;
  Zero zero;
  std::optional<double> gradient_clipping;  // global L2 norm; 0: off
  std::string gradient_allreduce_op = "mean";
  std::string communication_data_type;    // "fp16", "bf16", "fp32"; empty: that of the gradients
  std::string grad_accum_dtype = "fp32";  // DeepSpeed's default is the model's
  std::string param_dtype;                // empty: by fp16 and bf16
  std::vector<HalfInput> inputs_to_half;

  std::vector<std::string> warnings;  // one line each; logged when the run starts

  friend bool operator==(const DeepSpeedConfig&, const DeepSpeedConfig&) = default;

  /// STRATA_F32, STRATA_F16 or STRATA_BF16: of the weights in forward and backward.
  [[nodiscard]] int32_t model_dtype() const {
    return fp16.enabled ? STRATA_F16 : bf16.enabled ? STRATA_BF16 : STRATA_F32;
  }
};

/// The resolved configuration, a few lines.
std::string shown(const DeepSpeedConfig& config);

}  // namespace strata::deepspeed
