// Buckets of gradients.
#include "strata/kit/bucketed_shards.hpp"

#include <algorithm>
#include <utility>

#include "strata/kit/touched.hpp"

namespace strata::kit {

// --- plan -------------------------------------------------------------------------------------------------------------

void BucketedShards::plan(strata_runtime* runtime,
                          const ModelView& model,
                          BucketedOptions options) {
  runtime_ = runtime;
  model_ = model;
  options_ = std::move(options);
  plan_buckets();
  plan_users();
}

ShardSpec BucketedShards::spec_of(const strata_param_desc& param) const {
  ParamPlacement p = options_.placement(param);
  p.resident = true;
  const bool trainable = is_trainable(param);
  ShardSpec spec = kit::spec_of(p, trainable, options_.whole_gradients);
  spec.host_update = trainable && options_.host_update;
  return spec;
}

void BucketedShards::plan_buckets() {
  places_.resize(model_.params().size());
  int64_t elements = 0;
  for (size_t i = places_.size(); i-- > 0;) {
    const strata_param_desc& p = model_.params()[i];
    const ShardSpec spec = spec_of(p);
    if (plans_.empty() || plans_.back().spec != spec ||
        elements + p.numel > options_.bucket_elements) {
      plans_.push_back({{}, spec});
      elements = 0;
    }
    places_[i] = {plans_.size() - 1, plans_.back().params.size()};
    plans_.back().params.push_back(static_cast<int32_t>(i));
    elements += p.numel;
  }
}

void BucketedShards::plan_users() {
  for (const strata_unit_desc& unit : model_.units()) {
    std::vector<size_t>& buckets = used_by_.emplace_back();
    for (const auto& params :
         {std::span(unit.params, unit.n_params), std::span(unit.borrowed, unit.n_borrowed)}) {
      for (const int32_t param : params) {
        buckets.push_back(places_[static_cast<size_t>(param)].bucket);
      }
    }
    std::ranges::sort(buckets);
    // NOLINTNEXTLINE(modernize-use-ranges): clang 14 does not compile GCC 12's std::ranges::unique
    buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
  }
}

void BucketedShards::fill_plan(std::span<strata_unit_plan> plan) const {
  for (strata_unit_plan& unit : plan) {
    if (options_.overlap_publish) {
      unit.events = STRATA_EVENT_GRAD_READY | STRATA_EVENT_PRE_FORWARD;
    } else {
      unit.owner = 0;
    }
  }
  plan[0].events |= STRATA_EVENT_GRAD_READY;
}

FlatLayout BucketedShards::layout_of(const Plan& plan) const {
  return lay_out(model_, plan.params, plan.spec.mesh->shards());
}

void BucketedShards::estimate(const strata_estimate_args& args, strata_estimate& out) const {
  const bool hides = args.asynchronous != 0 && options_.overlap;
  int64_t before = 0;
  for (const Plan& plan : plans_) {
    const FlatCost cost = cost_of(layout_of(plan), plan.spec, args.optim_state_per_element);
    out.param_bytes += cost.param_bytes;
    out.grad_bytes += cost.grad_bytes;
    out.optim_bytes += cost.optim_bytes;
    out.sent_bytes_per_step +=
        cost.reduce * (options_.whole_gradients ? 1 : args.accumulation) + cost.publish;
    out.unit_bytes = std::max(out.unit_bytes, cost.grads + (hides ? before : 0));
    out.comm_buffer_bytes += cost.staged;
    before = cost.grads;
  }
  out.sent_bytes_per_step += touched_bytes(model_, args.world_size);
}

void BucketedShards::materialize(int32_t unit) {
  if (unit != 0) {
    return;
  }
  std::vector<size_t> bucket_of;
  bucket_of.reserve(places_.size());
  for (const Place& place : places_) {
    bucket_of.push_back(place.bucket);
  }
  std::vector<int64_t> waits_for;
  buckets_.reserve(plans_.size());
  for (const Plan& plan : plans_) {
    waits_for.push_back(plan.spec.trainable ? static_cast<int64_t>(plan.params.size()) : 0);
    buckets_.emplace_back(runtime_, layout_of(plan), plan.spec);
    buckets_.back().fill();
  }
  // What was summed in place takes no more; a sum that was added to the own slice takes another.
  order_ = BucketOrder(
      std::move(bucket_of),
      std::move(waits_for),
      options_.whole_gradients ? BucketOrder::Late::kRefused : BucketOrder::Late::kAdded);
  for (size_t u = 0; u < model_.units().size(); ++u) {
    Params(runtime_).init_buffers(static_cast<int32_t>(u));
  }
}

void BucketedShards::optim_views(const OptimViewSink& out) const {
  for (const FlatShard& bucket : buckets_) {
    bucket.put_view(out);
  }
}

// --- gradients --------------------------------------------------------------------------------------------------------

bool BucketedShards::reduces(const strata_step_ctx& ctx) const {
  return !options_.whole_gradients || (ctx.flags & STRATA_CTX_LAST_MICRO) != 0;
}

void BucketedShards::iter_begin() {
  order_.begin();
  next_ = 0;
  finished_ = 0;
}

void BucketedShards::grad_ready(int32_t param, const strata_step_ctx& ctx) {
  const Place& place = places_[static_cast<size_t>(param)];
  if (!reduces(ctx)) {
    buckets_[place.bucket].take(place.slot);
    return;
  }
  const auto name = view(model_.params()[static_cast<size_t>(param)].name);
  if (order_.is_late(param) && buckets_[place.bucket].reducing()) {
    finish(0);
  }
  const size_t ready = order_.note(param, name, options_.when_late);
  buckets_[place.bucket].take(place.slot);
  launch_up_to(ready);
}

void BucketedShards::launch_up_to(size_t end) {
  for (; next_ < end; ++next_) {
    if (buckets_[next_].spec().trainable) {
      buckets_[next_].reduce_begin();
      finish(options_.overlap && buckets_[next_].busy() ? 1 : 0);
    }
  }
}

// Ends reductions, oldest first, until at most `left` are under way.
void BucketedShards::finish(size_t left) {
  auto open = static_cast<size_t>(std::count_if(
      buckets_.begin() + static_cast<std::ptrdiff_t>(finished_), buckets_.end(), [](const auto& b) {
        return b.reducing();
      }));
  for (; open > left; ++finished_) {
    if (buckets_[finished_].reducing()) {
      buckets_[finished_].reduce_end();
      --open;
    }
  }
}

void BucketedShards::backward_done(const strata_step_ctx& ctx) {
  if (reduces(ctx)) {
    launch_up_to(buckets_.size());
    finish(0);
    for (FlatShard& bucket : buckets_) {
      if (bucket.pending()) {  // gradients that came late
        bucket.reduce_begin();
        bucket.reduce_end();
      }
    }
    order_.learn();
  }
  if ((ctx.flags & STRATA_CTX_LAST_MICRO) != 0) {
    agree_on_touched(runtime_, model_, {});
  }
}

void BucketedShards::abort_iter() noexcept {
  for (FlatShard& bucket : buckets_) {
    bucket.abandon();
  }
}

// --- values -----------------------------------------------------------------------------------------------------------

void BucketedShards::pre_forward(int32_t unit) {
  for (const size_t bucket : used_by_[static_cast<size_t>(unit)]) {
    buckets_[bucket].publish_end();
  }
}

void BucketedShards::end_publishing() {
  for (FlatShard& bucket : buckets_) {
    bucket.publish_end();
  }
}

void BucketedShards::pre_step() {
  for (FlatShard& bucket : buckets_) {
    bucket.publish_end();  // of values that no unit used
    bucket.stage_gradients();
  }
}

void BucketedShards::post_step() {
  for (FlatShard& bucket : buckets_) {
    bucket.publish_begin();
    if (!options_.overlap_publish) {
      bucket.publish_end();
    }
    bucket.clear_gradients();
  }
}

void BucketedShards::values_changed() {
  for (FlatShard& bucket : buckets_) {
    bucket.values_changed();
  }
}

void BucketedShards::scope_enter() {
  end_publishing();
}

void BucketedShards::scope_exit(bool writeback) {
  for (FlatShard& bucket : buckets_) {
    if (writeback) {
      bucket.adopt();
    }
  }
}

}  // namespace strata::kit
