// LowLevelZero: values stay whole on every rank, masters and optimizer state are cut over ranks.
#pragma once

#include "strata/kit/bucketed_strategy.hpp"

#include "settings.hpp"

namespace strata::colossalai {

/// Stage 1 keeps whole gradients until the window's last micro-batch and reduces them once; stage 2 reduce-scatters those
/// of every micro-batch. Gradients are kept in the parameters' type and travel in communication_dtype; stage 1 keeps
/// them in the latter.
///
/// cpu_offload: on a machine without a device its memory and the host's are two pools of one memory. Masters, optimizer
/// state and the gradients of the update are accounted to the host's (stats()), and gradients are copied there.
class STRATA_HIDDEN LowLevelZero final : public kit::BucketedStrategy {
 public:
  /// config outlives it.
  explicit LowLevelZero(const LowLevelZeroConfig& config) : config_(config) {}

  void estimate(const strata_estimate_args& args, strata_estimate& out) override;
  void setup_env(const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;
  void post_step(const strata_step_ctx& ctx) override;
  /// "device_bytes", "host_bytes": the most that each tag of the byte account had in either pool, added; "moved_bytes":
  /// copied from one to the other since the start.
  void stats(const strata_number_sink& out) override;

 private:
  [[nodiscard]] kit::ParamPlacement placement(const strata_param_desc& param,
                                              const kit::Mesh& mesh) const;
  [[nodiscard]] kit::BucketedOptions options(const kit::Mesh& mesh) const;

  const LowLevelZeroConfig& config_;
  kit::Mesh mesh_;
  int64_t moved_ = 0;
};

}  // namespace strata::colossalai
