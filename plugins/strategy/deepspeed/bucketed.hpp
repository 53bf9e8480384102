// Stages 0 to 2: values stay whole on every rank; gradients are reduced in buckets.
#pragma once

#include "strata/kit/bucketed_strategy.hpp"

#include "settings/config.hpp"

namespace strata::deepspeed {

/// A bucket is a flat piece of at most reduce_bucket_size elements, last declared parameters first. Stage 0 sums it on
/// all ranks; stages 1 and 2 reduce-scatter it, update the own slice and gather the values. Stage 1 and 0 keep whole
/// gradients until the window's end, stage 2 reduces every micro-batch.
class STRATA_HIDDEN Bucketed final : public kit::BucketedStrategy {
 public:
  explicit Bucketed(const DeepSpeedConfig& config) : config_(config) {}

  [[nodiscard]] strata_strategy_caps describe() const override;
  void estimate(const strata_estimate_args& args, strata_estimate& out) override;
  void setup_env(const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;

 private:
  [[nodiscard]] kit::BucketedOptions options(const kit::Mesh& mesh) const;
  [[nodiscard]] bool whole_gradients() const;

  const DeepSpeedConfig& config_;
  kit::Mesh mesh_;
};

}  // namespace strata::deepspeed
