// Buckets of stages 0 to 2.
#include "bucketed.hpp"

#include <algorithm>
#include <utility>

#include "strata/kit/touched.hpp"

#include "placement.hpp"

namespace strata::deepspeed {

strata_strategy_caps Bucketed::describe() const {
  return base_caps(config_);
}

// Gradients can wait, whole, where they are summed only if they are kept in the type they travel in.
bool Bucketed::whole_gradients() const {
  return config_.zero.stage < 2 && (config_.communication_data_type.empty() ||
                                    config_.communication_data_type == config_.grad_accum_dtype);
}

kit::ShardSpec Bucketed::spec_of(const strata_param_desc& param, const kit::Mesh& mesh) const {
  kit::ParamPlacement p = placement(config_, param, mesh);
  p.resident = true;
  return kit::spec_of(p, is_trainable(param), whole_gradients());
}

std::vector<Bucketed::Plan> Bucketed::plan_buckets(const ModelView& model,
                                                   const kit::Mesh& mesh) const {
  std::vector<Plan> out;
  int64_t elements = 0;
  for (size_t i = model.params().size(); i-- > 0;) {
    const strata_param_desc& p = model.params()[i];
    const kit::ShardSpec spec = spec_of(p, mesh);
    if (out.empty() || out.back().spec != spec ||
        elements + p.numel > config_.zero.reduce_bucket_size) {
      out.push_back({{}, spec});
      elements = 0;
    }
    out.back().params.push_back(static_cast<int32_t>(i));
    elements += p.numel;
  }
  return out;
}

void Bucketed::estimate(const strata_estimate_args& args, strata_estimate& out) {
  const ModelView model{args.model};
  const bool cut = config_.zero.stage > 0;
  const kit::Mesh mesh = cut ? kit::Mesh(1, args.world_size) : kit::Mesh(args.world_size, 1);
  const bool once = config_.zero.stage < 2 && whole_gradients();
  const bool hides = args.asynchronous != 0 && config_.zero.overlaps();
  int64_t before = 0;
  for (const Plan& plan : plan_buckets(model, mesh)) {
    const kit::FlatCost cost = kit::cost_of(
        kit::lay_out(model, plan.params, mesh.shards()), plan.spec, args.optim_state_per_element);
    out.param_bytes += cost.param_bytes;
    out.grad_bytes += cost.grad_bytes;
    out.optim_bytes += cost.optim_bytes;
    out.sent_bytes_per_step += cost.reduce * (once ? 1 : args.accumulation) + cost.publish;
    out.unit_bytes = std::max(out.unit_bytes, cost.grads + (hides ? before : 0));
    before = cost.grads;
  }
  out.sent_bytes_per_step += kit::touched_bytes(model, args.world_size);
}

void Bucketed::setup_env(const strata_setup_args& args) {
  mesh_ = config_.zero.stage > 0 ? kit::Mesh(runtime(), args.rank, 1, args.world_size)
                                 : kit::Mesh(runtime(), args.rank, args.world_size, 1);
}

void Bucketed::plan_units(const ModelView& model, std::span<strata_unit_plan> plan) {
  model_ = model;
  for (strata_unit_plan& unit : plan) {
    unit.owner = 0;
  }
  plan[0].events = STRATA_EVENT_GRAD_READY;
  cast_inputs(config_, runtime());
}

void Bucketed::materialize(int32_t) {
  const std::vector<Plan> plans = plan_buckets(model_, mesh_);
  std::vector<size_t> bucket_of(model_.params().size());
  std::vector<int64_t> waits_for;
  places_.resize(bucket_of.size());
  buckets_.reserve(plans.size());
  for (const Plan& plan : plans) {
    for (size_t slot = 0; slot < plan.params.size(); ++slot) {
      const auto param = static_cast<size_t>(plan.params[slot]);
      bucket_of[param] = buckets_.size();
      places_[param] = {buckets_.size(), slot};
    }
    waits_for.push_back(plan.spec.trainable ? static_cast<int64_t>(plan.params.size()) : 0);
    buckets_.emplace_back(runtime(), kit::lay_out(model_, plan.params, mesh_.shards()), plan.spec);
    buckets_.back().fill();
  }
  // What was summed in place takes no more; a sum that was added to the own slice takes another.
  order_ = kit::BucketOrder(
      std::move(bucket_of),
      std::move(waits_for),
      whole_gradients() ? kit::BucketOrder::Late::kRefused : kit::BucketOrder::Late::kAdded);
  for (size_t unit = 0; unit < model_.units().size(); ++unit) {
    Params(runtime()).init_buffers(static_cast<int32_t>(unit));
  }
}

void Bucketed::optim_views(const OptimViewSink& out) {
  for (const kit::FlatShard& bucket : buckets_) {
    bucket.put_view(out);
  }
}

bool Bucketed::reduces(const strata_step_ctx& ctx) const {
  return !whole_gradients() || (ctx.flags & STRATA_CTX_LAST_MICRO) != 0;
}

void Bucketed::iter_begin(const strata_step_ctx&) {
  order_.begin();
  next_ = 0;
  finished_ = 0;
}

void Bucketed::grad_ready(int32_t param, const strata_step_ctx& ctx) {
  const Place& place = places_[static_cast<size_t>(param)];
  if (!reduces(ctx)) {
    buckets_[place.bucket].take(place.slot);
    return;
  }
  const auto name = view(model_.params()[static_cast<size_t>(param)].name);
  if (order_.is_late(param) && buckets_[place.bucket].reducing()) {
    finish(0);
  }
  const size_t ready =
      order_.note(param, name, "use zero_optimization.stage = 2 or 3, which add what comes late");
  buckets_[place.bucket].take(place.slot);
  launch_up_to(ready);
}

void Bucketed::launch_up_to(size_t end) {
  for (; next_ < end; ++next_) {
    if (buckets_[next_].spec().trainable) {
      buckets_[next_].reduce_begin();
      finish(config_.zero.overlaps() && buckets_[next_].busy() ? 1 : 0);
    }
  }
}

// Ends reductions, oldest first, until at most `left` are under way.
void Bucketed::finish(size_t left) {
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

void Bucketed::backward_done(const strata_step_ctx& ctx) {
  if (reduces(ctx)) {
    launch_up_to(buckets_.size());
    finish(0);
    for (kit::FlatShard& bucket : buckets_) {
      if (bucket.pending()) {  // gradients that came late
        bucket.reduce_begin();
        bucket.reduce_end();
      }
    }
    order_.learn();
  }
  if ((ctx.flags & STRATA_CTX_LAST_MICRO) != 0) {
    kit::agree_on_touched(runtime(), model_, {});
  }
}

void Bucketed::abort_iter(const strata_step_ctx&) noexcept {
  for (kit::FlatShard& bucket : buckets_) {
    bucket.abandon();
  }
}

void Bucketed::post_step(const strata_step_ctx&) {
  for (kit::FlatShard& bucket : buckets_) {
    bucket.publish();
    bucket.clear_gradients();
  }
}

void Bucketed::values_changed() {
  for (kit::FlatShard& bucket : buckets_) {
    bucket.publish();
  }
}

void Bucketed::scope_exit(std::span<const int32_t>, bool write) {
  for (kit::FlatShard& bucket : buckets_) {
    if (write) {
      bucket.adopt();
    }
  }
}

}  // namespace strata::deepspeed
