// Stage 0.
#include "replicated.hpp"

#include <algorithm>
#include <limits>

namespace strata::deepspeed {

strata_strategy_caps Replicated::describe() const {
  strata_strategy_caps caps{};
  caps.h = STRATA_HDR(strata_strategy_caps);
  caps.averages_itself =
      config_.gradient_allreduce_op == "sum" ? 1 : 0;  // a sum is not divided by anyone
  return caps;
}

void Replicated::estimate(const strata_estimate_args& args, strata_estimate& out) const {
  kit::estimate_replicated(args, out);
  out.sent_bytes_per_step = 2 * (args.world_size - 1) * out.grad_bytes / args.world_size;
}

void Replicated::set_up(strata_runtime* runtime, const strata_setup_args& args) {
  runtime_ = runtime;
  alone_ = args.world_size == 1;
  if (!alone_) {
    world_ = Group::world(runtime);
  }
}

void Replicated::plan_units(const ModelView& model, std::span<strata_unit_plan> plan) {
  model_ = model;
  for (strata_unit_plan& unit : plan) {
    unit.owner = 0;
  }
  plan[0].events = 0;
}

void Replicated::materialize(int32_t) {
  constexpr int64_t kBytes = 4;  // of an fp32 gradient
  const int64_t elements =
      std::min(config_.zero.reduce_bucket_size, std::numeric_limits<int64_t>::max() / kBytes);
  store_ = kit::FlatStore(
      runtime_, model_, kit::make_buckets(model_, elements * kBytes, elements * kBytes));
}

void Replicated::backward_done(const strata_step_ctx& ctx) {
  if (alone_ || (ctx.flags & STRATA_CTX_LAST_MICRO) == 0) {
    return;
  }
  for (const kit::Bucket& bucket : store_.buckets()) {
    if (bucket.trainable) {
      store_.mark_touched(bucket);
      works_.push_back(
          world_.all_reduce(store_.grads(bucket), bucket.numel_with_marks(), bucket.dtype));
    }
  }
  size_t next = 0;
  for (const kit::Bucket& bucket : store_.buckets()) {
    if (bucket.trainable) {
      works_[next++].wait();
      store_.read_touched(bucket);
    }
  }
  works_.clear();
}

}  // namespace strata::deepspeed
