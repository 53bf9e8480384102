// Stage 0: every rank holds everything.
#pragma once

#include <vector>

#include "strata/kit/buckets.hpp"

#include "engine.hpp"

namespace strata::deepspeed {

/// fp32 weights on every rank; gradients are summed over ranks bucket by bucket when backward has ended.
class STRATA_HIDDEN Replicated final : public Engine {
 public:
  explicit Replicated(const DeepSpeedConfig& config) : config_(config) {}

  [[nodiscard]] strata_strategy_caps describe() const override;
  void estimate(const strata_estimate_args& args, strata_estimate& out) const override;
  void set_up(strata_runtime* runtime, const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;
  void materialize(int32_t unit) override;

  void optim_views(const OptimViewSink& out) override { store_.optim_views(out); }

  void backward_done(const strata_step_ctx& ctx) override;

  void abort_iter(const strata_step_ctx&) noexcept override { works_.clear(); }

 private:
  const DeepSpeedConfig& config_;
  strata_runtime* runtime_ = nullptr;
  Group world_;  // empty on a single rank
  bool alone_ = true;
  ModelView model_;
  kit::FlatStore store_;
  std::vector<Work> works_;
};

}  // namespace strata::deepspeed
