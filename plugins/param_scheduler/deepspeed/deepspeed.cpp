// DeepSpeed's five schedules.

#include "cycle.hpp"
#include "warmup.hpp"

namespace {

using namespace strata::deepspeed;  // NOLINT(google-build-using-namespace): all of this plugin

constexpr const char* kPerGroup = "a number, or one for each parameter group";

template <class T, class Config>
auto with_rise(strata::Exported<T, Config> type) {
  type.field("warmup_num_steps", &Config::warmup_num_steps, "updates until it is up", "[1, inf)");
  type.field("warmup_type", &Config::warmup_type, "shape of the rise", "log|linear");
  return with_position(type);
}

template <class T, class Config>
auto with_ends(strata::Exported<T, Config> type) {
  type.field("warmup_min_lr", &Config::warmup_min_lr, kPerGroup);
  type.field("warmup_max_lr",
             &Config::warmup_max_lr,
             "a number, one for each parameter group, or \"auto\": the optimizer's");
  return with_rise(type);
}

auto warmup() {
  return with_ends(strata::exported<Warmup, WarmupConfig>("WarmupLR")
                       .doc("a rise, then warmup_max_lr; absent: the optimizer's learning rate"));
}

auto warmup_decay() {
  return with_ends(
      strata::exported<WarmupDecay, WarmupDecayConfig>("WarmupDecayLR")
          .doc("a rise to warmup_max_lr (absent: 0.001), then a line down to warmup_min_lr")
          .required("total_num_steps",
                    &WarmupDecayConfig::total_num_steps,
                    "updates until it is down, or \"auto\": the run's"));
}

auto warmup_cosine() {
  return with_rise(
      strata::exported<WarmupCosine, WarmupCosineConfig>("WarmupCosineLR")
          .doc("a rise to the optimizer's learning rate, then half a cosine down")
          .required("total_num_steps",
                    &WarmupCosineConfig::total_num_steps,
                    "updates until it is down, or \"auto\": the run's")
          .field("warmup_min_ratio",
                 &WarmupCosineConfig::warmup_min_ratio,
                 "share at which the rise starts",
                 "[0, 1]")
          .field(
              "cos_min_ratio", &WarmupCosineConfig::cos_min_ratio, "share at the end", "[0, 1]"));
}

auto range_test() {
  using C = RangeTestConfig;
  return with_position(
      strata::exported<RangeTest, C>("LRRangeTest")
          .doc("a learning rate that rises all the time, to see where training breaks")
          .field("lr_range_test_min_lr", &C::lr_range_test_min_lr, kPerGroup)
          .field("lr_range_test_step_size",
                 &C::lr_range_test_step_size,
                 "updates of an interval",
                 "[1, inf)")
          .field("lr_range_test_step_rate",
                 &C::lr_range_test_step_rate,
                 "rise in an interval, in parts of the first value")
          .field("lr_range_test_staircase", &C::lr_range_test_staircase, "rise in stairs"));
}

auto one_cycle() {
  using C = OneCycleConfig;
  return with_position(
      strata::exported<OneCycle, C>("OneCycle")
          .doc("a cycle of learning rate and, the opposite way, of Adam's betas; then a decay")
          .required("cycle_min_lr", &C::cycle_min_lr, kPerGroup)
          .required("cycle_max_lr", &C::cycle_max_lr, kPerGroup)
          .field("decay_lr_rate", &C::decay_lr_rate, "share that decay_step_size updates take")
          .field(
              "cycle_first_step_size", &C::cycle_first_step_size, "updates of the rise", "[1, inf)")
          .field("cycle_second_step_size",
                 &C::cycle_second_step_size,
                 "updates of the fall; absent: as many",
                 "[0, inf)")
          .field("cycle_first_stair_count", &C::cycle_first_stair_count, "0: no stairs", "[0, inf)")
          .field("cycle_second_stair_count",
                 &C::cycle_second_stair_count,
                 "absent: as many as in the rise",
                 "[0, inf)")
          .field("decay_step_size", &C::decay_step_size, "0: no decay", "[0, inf)")
          .field("cycle_momentum", &C::cycle_momentum, "move betas too, if the optimizer has them")
          .field("cycle_min_mom", &C::cycle_min_mom, kPerGroup)
          .field("cycle_max_mom", &C::cycle_max_mom, kPerGroup)
          .field(
              "decay_mom_rate", &C::decay_mom_rate, "rise of momentum in decay_step_size updates"));
}

}  // namespace

STRATA_PLUGIN(warmup(), warmup_decay(), warmup_cosine(), one_cycle(), range_test());
