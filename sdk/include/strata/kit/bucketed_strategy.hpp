// A strategy of whole values and gradients in buckets: all events go to them.
#pragma once

#include "strata/kit/bucketed_shards.hpp"

namespace strata::kit {

/// Derive, make meshes in setup_env(), and plan `shards_` in plan_units().
class STRATA_HIDDEN BucketedStrategy : public Strategy {
 public:
  void materialize(int32_t unit) override { shards_.materialize(unit); }

  void optim_views(const OptimViewSink& out) override { shards_.optim_views(out); }

  void iter_begin(const strata_step_ctx&) override { shards_.iter_begin(); }

  void pre_forward(int32_t unit, const strata_step_ctx&) override { shards_.pre_forward(unit); }

  void grad_ready(int32_t param, const strata_step_ctx& ctx) override {
    shards_.grad_ready(param, ctx);
  }

  void backward_done(const strata_step_ctx& ctx) override { shards_.backward_done(ctx); }

  void abort_iter(const strata_step_ctx&) noexcept override { shards_.abort_iter(); }

  void pre_step(const strata_step_ctx&) override { shards_.pre_step(); }

  void post_step(const strata_step_ctx&) override { shards_.post_step(); }

  void values_changed() override { shards_.values_changed(); }

  void scope_enter(std::span<const int32_t>, bool) override { shards_.scope_enter(); }

  void scope_exit(std::span<const int32_t>, bool writeback) override {
    shards_.scope_exit(writeback);
  }

 protected:
  BucketedShards shards_;
};

}  // namespace strata::kit
