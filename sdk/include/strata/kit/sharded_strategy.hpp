// A strategy of sharded units: all events go to them.
#pragma once

#include "strata/kit/sharded_units.hpp"

namespace strata::kit {

/// Derive, make meshes in setup_env(), and plan `units_` in plan_units().
class STRATA_HIDDEN ShardedStrategy : public Strategy {
 public:
  [[nodiscard]] strata_strategy_caps describe() const override {
    strata_strategy_caps caps = Strategy::describe();
    caps.owns_storage = 1;
    return caps;
  }

  void materialize(int32_t unit) override { units_.materialize(unit); }

  void optim_views(const OptimViewSink& out) override { units_.optim_views(out); }

  void iter_begin(const strata_step_ctx&) override { units_.iter_begin(); }

  void pre_forward(int32_t unit, const strata_step_ctx& ctx) override {
    units_.pre_forward(unit, ctx);
  }

  void post_forward(int32_t unit, const strata_step_ctx& ctx) override {
    units_.post_forward(unit, ctx);
  }

  void pre_backward(int32_t unit, const strata_step_ctx& ctx) override {
    units_.pre_backward(unit, ctx);
  }

  void post_backward(int32_t unit, const strata_step_ctx& ctx) override {
    units_.post_backward(unit, ctx);
  }

  void grad_ready(int32_t param, const strata_step_ctx&) override { units_.grad_ready(param); }

  void unit_grads_ready(int32_t unit, int32_t, const strata_step_ctx& ctx) override {
    units_.unit_grads_ready(unit, ctx);
  }

  void backward_done(const strata_step_ctx& ctx) override { units_.backward_done(ctx); }

  void iter_end(const strata_step_ctx& ctx) override { units_.iter_end(ctx); }

  void abort_iter(const strata_step_ctx&) noexcept override { units_.abort_iter(); }

  void post_step(const strata_step_ctx&) override { units_.post_step(); }

  void values_changed() override { units_.values_changed(); }

  void scope_enter(std::span<const int32_t> units, bool) override { units_.scope_enter(units); }

  void scope_exit(std::span<const int32_t> units, bool writeback) override {
    units_.scope_exit(units, writeback);
  }

 protected:
  ShardedUnits units_;
};

}  // namespace strata::kit
