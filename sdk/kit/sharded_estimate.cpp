// What a plan costs: bytes of states, the peak of what comes and goes, bytes sent in a step.
#include <algorithm>

#include "strata/kit/sharded_units.hpp"

namespace strata::kit {

struct ShardedUnits::Cost {
  int64_t values = 0;   // gathered, of pieces that come and go
  int64_t grads = 0;    // whole gradients until they are reduced
  int64_t scratch = 0;  // of a hybrid mesh
  int64_t gather = 0;   // sent by one gather
  int64_t reduce = 0;   // sent by one reduction
  int64_t publish = 0;  // sent after an update
  int64_t elements = 0;
};

namespace {

// Rank 0's share of Mesh::reduce().
int64_t reduce_bytes(const Mesh& mesh, int64_t shard_bytes) {
  const int64_t n = mesh.shards();
  const int64_t r = mesh.replicas();
  if (n == 1) {
    return 2 * (r - 1) * shard_bytes / r;
  }
  return (n - 1) * shard_bytes + (r > 1 ? shard_bytes : 0);
}

}  // namespace

ShardedUnits::Cost ShardedUnits::cost_of(const Unit& unit, const strata_estimate_args& args,
                                         strata_estimate& out) const {
  Cost cost;
  for (const Piece& piece : unit.plans) {
    const ShardSpec spec = piece.spec();
    const FlatLayout layout = lay_out(model_, piece.params, spec.mesh->shards());
    const int64_t gather = (layout.shards - 1) * layout.shard * size_of(spec.value_dtype);
    const bool aliased = spec.resident && spec.value_dtype == spec.master_dtype;
    out.param_bytes += aliased ? 0 : layout.shard * size_of(spec.master_dtype);
    if (spec.resident) {
      out.param_bytes += layout.numel() * size_of(spec.value_dtype);
      cost.publish += spec.trainable ? gather : 0;
    } else {
      cost.values += layout.numel() * size_of(spec.value_dtype);
      cost.elements += layout.numel();
      cost.gather += gather;
    }
    if (!spec.trainable) {
      continue;
    }
    const int64_t whole = layout.numel() * size_of(spec.reduce_dtype);
    out.grad_bytes += spec.full_grads ? whole : layout.shard * size_of(spec.grad_dtype);
    out.optim_bytes += layout.shard * (spec.master_dtype == STRATA_F64 ? 8 : 4) * args.optim_state_per_element;
    cost.grads += spec.full_grads ? 0 : whole;
    cost.scratch += spec.mesh->needs_scratch() ? whole : 0;
    cost.reduce += reduce_bytes(*spec.mesh, layout.shard * size_of(spec.reduce_dtype));
  }
  return cost;
}

void ShardedUnits::estimate(const strata_estimate_args& args, strata_estimate& out) const {
  std::vector<Cost> costs;
  Cost sum;
  for (const Unit& unit : units_) {
    costs.push_back(cost_of(unit, args, out));
    sum.values += costs.back().values;
    sum.grads += costs.back().grads;
    sum.elements += costs.back().elements;
  }
  const bool stays = !options_.reshard_after_forward ||
                     (options_.max_reuse_distance >= sum.elements && options_.max_live >= sum.elements);
  const bool window = args.accumulation > 1 && !options_.reduce_every_micro;
  const int64_t micros = args.accumulation;
  const auto world = static_cast<int64_t>(args.world_size);
  out.sent_bytes_per_step = world > 1 ? 2 * (world - 1) * static_cast<int64_t>(places_.size()) * 4 / world : 0;
  int64_t next_values = 0;
  int64_t after_grads = 0;
  int64_t peak = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    const Cost& cost = costs[i];
    int64_t gathers = 0;
    for (const int32_t id : units_[i].needs) {
      gathers += costs[static_cast<size_t>(id)].gather;
    }
    const bool once = stays || (options_.keep_root && i == 0);
    out.sent_bytes_per_step += gathers * (stays && window ? 1 : micros) * (once ? 1 : 2);
    out.sent_bytes_per_step += cost.reduce * (window ? 1 : micros) + cost.publish;
    out.comm_buffer_bytes = std::max(out.comm_buffer_bytes, cost.scratch);
    if (i == 0) {
      continue;
    }
    // Backward is the peak: a unit's values and gradients, what is gathered ahead, what is still being reduced.
    const int64_t ahead = options_.backward.units > 0 ? next_values : 0;
    peak = std::max(peak, (stays ? 0 : cost.values + ahead) + (window ? 0 : cost.grads + after_grads));
    next_values = cost.values > 0 ? cost.values : next_values;
    after_grads = options_.overlap && cost.grads > 0 ? cost.grads : after_grads;
  }
  // The root encloses all others, so what it has is there with each of them.
  out.unit_bytes = peak + (stays ? sum.values : costs[0].values) + (window ? sum.grads : costs[0].grads);
}

}  // namespace strata::kit
