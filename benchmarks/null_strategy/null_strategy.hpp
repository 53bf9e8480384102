// The strategy that hears every event and does nothing: what remains is the price of the border.
#pragma once

#include <limits>

#include "strata/cpp/strategy.hpp"
#include "strata/kit/buckets.hpp"

namespace strata::bench {

class STRATA_HIDDEN NullStrategy : public Strategy {
 public:
  /// events: what every unit subscribes to.
  explicit NullStrategy(uint32_t events = STRATA_EVENT_ALL) : events_(events) {}

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    kit::estimate_replicated(args, out);
  }

  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    for (strata_unit_plan& unit : plan) {
      unit.events = events_;
    }
  }

  // All storage comes with the last unit: it is the same for every unit anyway.
  void materialize(int32_t unit) override {
    if (unit + 1 == static_cast<int32_t>(model_.units().size())) {
      constexpr int64_t kNoCap = std::numeric_limits<int64_t>::max();
      store_ = kit::FlatStore(runtime(), model_, kit::make_buckets(model_, kNoCap, kNoCap));
    }
  }

  void optim_views(const OptimViewSink& out) override { store_.optim_views(out); }

 private:
  uint32_t events_;
  ModelView model_;
  kit::FlatStore store_;
};

}  // namespace strata::bench
