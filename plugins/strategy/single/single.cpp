// SingleDeviceStrategy: everything on one device, values and gradients flat so that the optimizer runs over few views.
#include <limits>

#include "strata/kit/buckets.hpp"

namespace {

class SingleDeviceStrategy final : public strata::Strategy {
 public:
  [[nodiscard]] strata_strategy_caps describe() const override {
    strata_strategy_caps caps = Strategy::describe();
    caps.max_world = 1;
    return caps;
  }

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    strata::kit::estimate_replicated(args, out);
  }

  void setup_env(const strata_setup_args& args) override {
    if (args.world_size != 1) {
      throw strata::config_error({},
                                 "SingleDeviceStrategy runs on one rank, and this run has ",
                                 args.world_size,
                                 ": use DDPStrategy (or a sharding strategy), or --nproc 1");
    }
  }

  void plan_units(const strata::ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    for (strata_unit_plan& unit : plan) {
      unit.owner = 0;
    }
  }

  void materialize(int32_t) override {
    constexpr int64_t kNoCap = std::numeric_limits<int64_t>::max();
    store_ = strata::kit::FlatStore(
        runtime(), model_, strata::kit::make_buckets(model_, kNoCap, kNoCap));
  }

  void optim_views(const strata::OptimViewSink& out) override { store_.optim_views(out); }

 private:
  strata::ModelView model_;
  strata::kit::FlatStore store_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<SingleDeviceStrategy>("SingleDeviceStrategy")
                  .doc("One device, no communication."));
