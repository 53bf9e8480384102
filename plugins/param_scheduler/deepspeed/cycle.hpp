// A range test, and one cycle of learning rate and momentum.
#pragma once

#include <array>
#include <cmath>

#include "schedule.hpp"

namespace strata::deepspeed {

struct STRATA_HIDDEN RangeTestConfig : ScheduleConfig {
  Node lr_range_test_min_lr;
  int64_t lr_range_test_step_size = 2000;
  double lr_range_test_step_rate = 1;
  bool lr_range_test_staircase = false;
};

/// min (1 + rate t / size), in stairs if asked.
class STRATA_HIDDEN RangeTest final : public Schedule {
 public:
  explicit RangeTest(const RangeTestConfig& c)
      : Schedule(c, "LRRangeTest"),
        min_(PerGroup::read(c.lr_range_test_min_lr, "lr_range_test_min_lr", 1e-3)),
        size_(static_cast<double>(c.lr_range_test_step_size)),
        rate_(c.lr_range_test_step_rate),
        stairs_(c.lr_range_test_staircase) {
    if (c.lr_range_test_step_size < 1) {
      throw refused("LRRangeTest",
                    "lr_range_test_step_size",
                    "must be at least 1, is ",
                    c.lr_range_test_step_size);
    }
  }

  double value(const strata_scheduler_args& a) override {
    const double intervals = static_cast<double>(a.t) / size_;
    return min_.of(a) * (1 + rate_ * (stairs_ ? std::floor(intervals) : intervals));
  }

 private:
  PerGroup min_;
  double size_;
  double rate_;
  bool stairs_;
};

struct STRATA_HIDDEN OneCycleConfig : ScheduleConfig {
  Node cycle_min_lr;
  Node cycle_max_lr;
  double decay_lr_rate = 0;
  int64_t cycle_first_step_size = 2000;
  std::optional<int64_t> cycle_second_step_size;
  int64_t cycle_first_stair_count = 0;
  std::optional<int64_t> cycle_second_stair_count;
  int64_t decay_step_size = 0;
  bool cycle_momentum = true;
  Node cycle_min_mom;
  Node cycle_max_mom;
  double decay_mom_rate = 0;
};

/// The learning rate goes from min up to max and down again, and then decays; the momentum of
/// optimizers that have betas goes the opposite way.
class STRATA_HIDDEN OneCycle final : public Schedule {
 public:
  explicit OneCycle(const OneCycleConfig& c)
      : Schedule(c, "OneCycle"),
        c_(c),
        min_lr_(c.cycle_min_lr, "cycle_min_lr"),
        max_lr_(c.cycle_max_lr, "cycle_max_lr"),
        min_mom_(PerGroup::read(c.cycle_min_mom, "cycle_min_mom", 0.8)),
        max_mom_(PerGroup::read(c.cycle_max_mom, "cycle_max_mom", 0.9)),
        first_(c.cycle_first_step_size),
        second_(c.cycle_second_step_size.value_or(first_)) {
    const auto at_least = [](const char* key, int64_t value, int64_t least) {
      if (value < least) {
        throw refused("OneCycle", key, "must be at least ", least, ", is ", value);
      }
    };
    at_least("cycle_first_step_size", first_, 1);
    at_least("cycle_second_step_size", second_, 0);
    at_least("cycle_first_stair_count", c.cycle_first_stair_count, 0);
    at_least("cycle_second_stair_count", c.cycle_second_stair_count.value_or(0), 0);
    at_least("decay_step_size", c.decay_step_size, 0);
  }

  [[nodiscard]] strata_scheduler_desc describe() const override {
    strata_scheduler_desc desc = Schedule::describe();
    if (c_.cycle_momentum) {
      desc.also = also_.data();
      desc.n_also = also_.size();
    }
    return desc;
  }

  double value(const strata_scheduler_args& a) override {
    constexpr int32_t kLr = 0;
    constexpr int32_t kBeta1 = 1;
    if (a.param == kLr) {
      return learning_rate(a);
    }
    return a.param == kBeta1 ? momentum(a) : kBeta2;
  }

 private:
  static constexpr double kBeta2 = 0.99;  // DeepSpeed's, with every momentum it sets

  [[nodiscard]] bool in_cycle(int64_t t) const { return t - 1 < first_ + second_; }

  [[nodiscard]] double learning_rate(const strata_scheduler_args& a) const {
    const double low = min_lr_.of(a);
    if (in_cycle(a.t)) {
      return low + (max_lr_.of(a) - low) * height(a.t);
    }
    return low / decay(a.t, c_.decay_lr_rate);
  }

  [[nodiscard]] double momentum(const strata_scheduler_args& a) const {
    const double high = max_mom_.of(a);
    if (in_cycle(a.t)) {
      return high - (high - min_mom_.of(a)) * height(a.t);
    }
    const double out = high * decay(a.t, c_.decay_mom_rate);
    if (out >= 1) {
      throw refused("OneCycle",
                    "decay_mom_rate",
                    "= ",
                    c_.decay_mom_rate,
                    " brings the momentum to ",
                    out,
                    " at update ",
                    a.t,
                    "; it must stay below 1");
    }
    return out;
  }

  /// 0 at both ends of the cycle, 1 at its top; in stairs where asked.
  [[nodiscard]] double height(int64_t t) const {
    const int64_t at = t % (first_ + second_);
    const bool rising = at <= first_;
    const int64_t part = rising ? at : first_ + second_ - at;
    const int64_t whole = rising ? first_ : second_;
    const int64_t stairs = rising
                               ? c_.cycle_first_stair_count
                               : c_.cycle_second_stair_count.value_or(c_.cycle_first_stair_count);
    const auto share = [](int64_t a, int64_t b) {
      return static_cast<double>(a) / static_cast<double>(b);
    };
    return stairs > 0 ? share(part * stairs / whole, stairs) : share(part, whole);
  }

  [[nodiscard]] double decay(int64_t t, double rate) const {
    if (c_.decay_step_size == 0) {
      return 1;
    }
    const auto after = static_cast<double>(t - first_ - second_);
    return 1 + rate * (after / static_cast<double>(c_.decay_step_size));
  }

  OneCycleConfig c_;
  PerGroup min_lr_;
  PerGroup max_lr_;
  PerGroup min_mom_;
  PerGroup max_mom_;
  int64_t first_;
  int64_t second_;
  std::array<strata_str, 2> also_ = {view("beta1"), view("beta2")};
};

}  // namespace strata::deepspeed
