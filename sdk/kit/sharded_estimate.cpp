// What a plan costs: bytes of states, the peak of what comes and goes, bytes sent in a step.
#include <algorithm>

#include "strata/kit/sharded_units.hpp"
#include "strata/kit/touched.hpp"

namespace strata::kit {
namespace {

// How a step goes, as far as its cost depends on it.
struct Course {
  int64_t micros;    // micro-batches of a window
  bool stays;        // what is gathered once stays
  bool window;       // gradients wait for the last micro-batch of a window
  bool looks_ahead;  // backward gathers the next unit's values
  bool overlaps;     // backward goes on while a unit's gradients are reduced
};

// once: what is gathered stays from forward to backward.
int64_t sent_by(const FlatCost& cost, int64_t gathers, bool once, const Course& course) {
  const int64_t rounds = course.stays && course.window ? 1 : course.micros;
  return gathers * rounds * (once ? 1 : 2) + cost.reduce * (course.window ? 1 : course.micros) +
         cost.publish;
}

// The most that comes and goes in the backward pass: a unit's values and gradients, what is gathered ahead, what is
// still being reduced.
class BackwardPeak {
 public:
  explicit BackwardPeak(const Course& course) : course_(course) {}

  void add(const FlatCost& cost) {
    const int64_t ahead = course_.looks_ahead ? next_values_ : 0;
    const int64_t values = course_.stays ? 0 : cost.values + ahead;
    const int64_t grads = course_.window ? 0 : cost.grads + after_grads_;
    bytes_ = std::max(bytes_, values + grads);
    next_values_ = cost.values > 0 ? cost.values : next_values_;
    after_grads_ = course_.overlaps && cost.grads > 0 ? cost.grads : after_grads_;
  }

  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  Course course_;
  int64_t next_values_ = 0;
  int64_t after_grads_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace

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
  costs.reserve(units_.size());
  FlatCost sum;
  for (const Unit& unit : units_) {
    costs.push_back(cost_of_unit(unit, args.optim_state_per_element));
    sum += costs.back();
  }
  out.param_bytes = sum.param_bytes;
  out.grad_bytes = sum.grad_bytes;
  out.optim_bytes = sum.optim_bytes;
  out.sent_bytes_per_step = touched_bytes(model_, args.world_size);

  const bool asynchronous = args.asynchronous != 0;
  const Course course = {
      .micros = args.accumulation,
      .stays = !options_.reshard_after_forward ||
               (options_.max_reuse_distance >= sum.elements && options_.max_live >= sum.elements),
      .window = args.accumulation > 1 && !options_.reduce_every_micro,
      .looks_ahead = asynchronous && options_.backward.units > 0,
      .overlaps = asynchronous && options_.overlap};
  BackwardPeak peak(course);
  for (size_t i = 0; i < units_.size(); ++i) {
    const FlatCost& cost = costs[i];
    int64_t gathers = 0;
    for (const int32_t id : units_[i].needs) {
      gathers += costs[static_cast<size_t>(id)].gather;
    }
    const bool once = course.stays || (options_.keep_root && i == 0);
    out.sent_bytes_per_step += sent_by(cost, gathers, once, course);
    out.comm_buffer_bytes = std::max(out.comm_buffer_bytes, cost.scratch);
    if (i > 0) {
      peak.add(cost);
    }
  }
  // The root encloses all others, so what it has is there with each of them.
  out.unit_bytes = peak.bytes() + (course.stays ? sum.values : costs[0].values) +
                   (course.window ? sum.grads : costs[0].grads);
}

}  // namespace strata::kit
