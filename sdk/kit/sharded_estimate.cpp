// What a plan costs: bytes of states, the peak of what comes and goes, bytes sent in a step.
#include <algorithm>

#include "strata/kit/sharded_units.hpp"
#include "strata/kit/touched.hpp"

namespace strata::kit {

FlatCost ShardedUnits::cost_of_unit(const Unit& unit, int64_t states) const {
  FlatCost cost;
  for (const Piece& piece : unit.plans) {
    const ShardSpec spec = piece.spec();
    cost += cost_of(lay_out(model_, piece.params, spec.mesh->shards()), spec, states);
  }
  return cost;
}

void ShardedUnits::estimate(const strata_estimate_args& args, strata_estimate& out) const {
  std::vector<FlatCost> costs;
  FlatCost sum;
  for (const Unit& unit : units_) {
    costs.push_back(cost_of_unit(unit, args.optim_state_per_element));
    sum += costs.back();
  }
  out.param_bytes = sum.param_bytes;
  out.grad_bytes = sum.grad_bytes;
  out.optim_bytes = sum.optim_bytes;
  out.sent_bytes_per_step = touched_bytes(model_, args.world_size);

  const bool stays =
      !options_.reshard_after_forward ||
      (options_.max_reuse_distance >= sum.elements && options_.max_live >= sum.elements);
  const bool window = args.accumulation > 1 && !options_.reduce_every_micro;
  int64_t next_values = 0;
  int64_t after_grads = 0;
  int64_t peak = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    const FlatCost& cost = costs[i];
    int64_t gathers = 0;
    for (const int32_t id : units_[i].needs) {
      gathers += costs[static_cast<size_t>(id)].gather;
    }
    const bool once = stays || (options_.keep_root && i == 0);
    out.sent_bytes_per_step += gathers * (stays && window ? 1 : args.accumulation) * (once ? 1 : 2);
    out.sent_bytes_per_step += cost.reduce * (window ? 1 : args.accumulation) + cost.publish;
    out.comm_buffer_bytes = std::max(out.comm_buffer_bytes, cost.scratch);
    if (i == 0) {
      continue;
    }
    // Backward is the peak: a unit's values and gradients, what is gathered ahead, what is still being reduced.
    const int64_t ahead = args.asynchronous != 0 && options_.backward.units > 0 ? next_values : 0;
    peak =
        std::max(peak, (stays ? 0 : cost.values + ahead) + (window ? 0 : cost.grads + after_grads));
    next_values = cost.values > 0 ? cost.values : next_values;
    after_grads =
        args.asynchronous != 0 && options_.overlap && cost.grads > 0 ? cost.grads : after_grads;
  }
  // The root encloses all others, so what it has is there with each of them.
  out.unit_bytes =
      peak + (stays ? sum.values : costs[0].values) + (window ? sum.grads : costs[0].grads);
}

}  // namespace strata::kit
