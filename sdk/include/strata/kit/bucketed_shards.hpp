// A model whose values stay whole on every rank while gradients are reduced in buckets: ZeRO up to stage 2.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strata/kit/bucket_order.hpp"
#include "strata/kit/flat_cost.hpp"
#include "strata/kit/flat_shard.hpp"
#include "strata/kit/sharded_units.hpp"

namespace strata::kit {

struct STRATA_HIDDEN BucketedOptions {
  std::function<ParamPlacement(const strata_param_desc&)> placement;  // `resident` is not asked
  int64_t bucket_elements = 0;
  /// Gradients stay whole until the last micro-batch of a window, in the type they travel in; else each micro-batch is
  /// reduced and added to the own slice.
  bool whole_gradients = false;
  bool overlap = true;  // a reduction may run while backward goes on
  bool overlap_publish =
      false;  // updated values travel until a unit that owns or borrows some of them runs
  bool host_update = false;  // see ShardSpec
  const char* when_late =
      "";  // advice to who uses parameters a varying number of times, with whole gradients
};

/// All parameters of one rank's model in buckets, last declared first; a bucket's parameters are kept alike and are one
/// FlatShard. The strategy forwards its events. Collectives come in the order of buckets.
class STRATA_HIDDEN BucketedShards {
 public:
  BucketedShards() = default;
  BucketedShards(const BucketedShards&) = delete;
  BucketedShards& operator=(const BucketedShards&) = delete;

  /// runtime: nullptr for estimates. In plan_units().
  void plan(strata_runtime* runtime, const ModelView& model, BucketedOptions options);
  /// What the strategy needs to hear of. Joins all units into the root unless pre_forward events are needed.
  void fill_plan(std::span<strata_unit_plan> plan) const;

  /// Makes all buckets when the root is materialized; nothing for other units.
  void materialize(int32_t unit);
  void optim_views(const OptimViewSink& out) const;

  void iter_begin();
  void pre_forward(int32_t unit);
  void grad_ready(int32_t param, const strata_step_ctx& ctx);
  void backward_done(const strata_step_ctx& ctx);
  void abort_iter() noexcept;
  void pre_step();
  void post_step();
  void values_changed();
  void scope_enter();
  void scope_exit(bool writeback);

  /// Bytes of one rank and the traffic of a step, from layouts alone. Needs plan() and nothing else.
  void estimate(const strata_estimate_args& args, strata_estimate& out) const;

  [[nodiscard]] const std::vector<FlatShard>& buckets() const { return buckets_; }

 private:
  struct Place {
    size_t bucket = 0;
    size_t slot = 0;
  };

  struct Plan {
    std::vector<int32_t> params;
    ShardSpec spec;
  };

  [[nodiscard]] ShardSpec spec_of(const strata_param_desc& param) const;
  [[nodiscard]] FlatLayout layout_of(const Plan& plan) const;
  [[nodiscard]] bool reduces(const strata_step_ctx& ctx) const;
  void plan_buckets();
  void plan_users();
  void launch_up_to(size_t end);
  void finish(size_t left);
  void end_publishing();

  strata_runtime* runtime_ = nullptr;
  ModelView model_;
  BucketedOptions options_;
  std::vector<Plan> plans_;
  std::vector<FlatShard> buckets_;
  std::vector<Place> places_;  // by parameter
  std::vector<std::vector<size_t>>
      used_by_;  // by unit: buckets with values that it owns or borrows
  BucketOrder order_;
  size_t next_ = 0;      // the bucket that goes out next
  size_t finished_ = 0;  // those below have their sums
};

}  // namespace strata::kit
