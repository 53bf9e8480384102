// Stages 0 to 2: values stay whole on every rank; gradients are reduced in buckets.
#pragma once

#include <vector>

#include "strata/kit/bucket_order.hpp"
#include "strata/kit/flat_shard.hpp"

#include "settings/config.hpp"

namespace strata::deepspeed {

/// A bucket is a flat piece of at most reduce_bucket_size elements, last declared parameters first. Stage 0 sums it on
/// all ranks; stages 1 and 2 reduce-scatter it, update the own slice and gather the values. Stage 1 and 0 keep whole
/// gradients until the window's end, stage 2 reduces every micro-batch.
class STRATA_HIDDEN Bucketed final : public Strategy {
 public:
  explicit Bucketed(const DeepSpeedConfig& config) : config_(config) {}

  [[nodiscard]] strata_strategy_caps describe() const override;
  void estimate(const strata_estimate_args& args, strata_estimate& out) override;
  void setup_env(const strata_setup_args& args) override;
  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override;
  void materialize(int32_t unit) override;
  void optim_views(const OptimViewSink& out) override;
  void iter_begin(const strata_step_ctx& ctx) override;
  void grad_ready(int32_t param, const strata_step_ctx& ctx) override;
  void backward_done(const strata_step_ctx& ctx) override;
  void abort_iter(const strata_step_ctx& ctx) noexcept override;
  void post_step(const strata_step_ctx& ctx) override;
  void values_changed() override;
  void scope_exit(std::span<const int32_t> units, bool write) override;

 private:
  struct Place {
    size_t bucket = 0;
    size_t slot = 0;
  };

  /// A bucket's parameters, all kept alike.
  struct Plan {
    std::vector<int32_t> params;
    kit::ShardSpec spec;
  };

  [[nodiscard]] std::vector<Plan> plan_buckets(const ModelView& model, const kit::Mesh& mesh) const;
  [[nodiscard]] kit::ShardSpec spec_of(const strata_param_desc& param, const kit::Mesh& mesh) const;
  [[nodiscard]] bool reduces(const strata_step_ctx& ctx) const;
  [[nodiscard]] bool whole_gradients() const;
  void launch_up_to(size_t end);
  void finish(size_t left);

  const DeepSpeedConfig& config_;
  kit::Mesh mesh_;
  ModelView model_;
  std::vector<kit::FlatShard> buckets_;
  std::vector<Place> places_;  // by parameter
  kit::BucketOrder order_;
  size_t next_ = 0;      // the bucket that goes out next
  size_t finished_ = 0;  // those below have their sums
};

}  // namespace strata::deepspeed
