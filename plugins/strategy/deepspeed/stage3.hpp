// Stage 3: parameters, gradients and optimizer state are cut over ranks; a module is whole while it is used.
#pragma once

#include <vector>

#include "strata/kit/sharded_units.hpp"

#include "engine.hpp"

namespace strata::deepspeed {

class STRATA_HIDDEN Stage3 final : public Engine {
 public:
  explicit Stage3(const DeepSpeedConfig& config) : config_(config) {}

  [[nodiscard]] strata_strategy_caps describe() const override;
  void estimate(const strata_estimate_args& args, strata_estimate& out) const override;
  void set_up(strata_runtime* runtime, const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;

  void materialize(int32_t unit) override { units_.materialize(unit); }

  void optim_views(const OptimViewSink& out) override { units_.optim_views(out); }

  void iter_begin(const strata_step_ctx&) override { units_.iter_begin(); }

  void pre_forward(int32_t unit, const strata_step_ctx& ctx) override { units_.pre_forward(unit, ctx); }

  void post_forward(int32_t unit, const strata_step_ctx& ctx) override { units_.post_forward(unit, ctx); }

  void pre_backward(int32_t unit, const strata_step_ctx& ctx) override { units_.pre_backward(unit, ctx); }

  void post_backward(int32_t unit, const strata_step_ctx& ctx) override { units_.post_backward(unit, ctx); }

  void grad_ready(int32_t param, const strata_step_ctx&) override { units_.grad_ready(param); }

  void unit_grads_ready(int32_t unit, int32_t, const strata_step_ctx& ctx) override {
    units_.unit_grads_ready(unit, ctx);
  }

  void backward_done(const strata_step_ctx& ctx) override { units_.backward_done(ctx); }

  void iter_end(const strata_step_ctx& ctx) override { units_.iter_end(ctx); }

  void abort_iter(const strata_step_ctx&) noexcept override { units_.abort_iter(); }

  void post_step(const strata_step_ctx&) override { units_.post_step(); }

  void scope_enter(std::span<const int32_t> units, bool) override { units_.scope_enter(units); }

  void scope_exit(std::span<const int32_t> units, bool write) override { units_.scope_exit(units, write); }

 private:
  [[nodiscard]] kit::ShardedOptions options(const ModelView& model, const kit::Mesh& mesh) const;
  [[nodiscard]] std::vector<int32_t> owners(const ModelView& model) const;
  [[nodiscard]] std::vector<uint8_t> persistent(const ModelView& model) const;
  [[nodiscard]] bool is_leaf(const ModelView& model, size_t unit) const;

  const DeepSpeedConfig& config_;
  strata_runtime* runtime_ = nullptr;
  kit::Mesh mesh_;
  kit::ShardedUnits units_;
};

}  // namespace strata::deepspeed
