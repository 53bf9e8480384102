// Schedules that go on from the current value, so that they chain: constant, linear, step,
// exponential, cosine, poly.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "scheduler.hpp"

namespace strata::schedulers {

inline void check_share(const char* rule, const char* field, double value) {
  if (!(value >= 0 && value <= 1)) {
    throw refused(rule, field, "must lie in [0, 1], is ", value);
  }
}

struct STRATA_HIDDEN ConstantConfig : Common {
  double factor = 1.0 / 3;
};

/// b * factor, and b at the last step of the window.
class STRATA_HIDDEN Constant : public Scheduler {
 public:
  explicit Constant(const ConstantConfig& c) : Scheduler(c, "Constant"), factor_(c.factor) {
    check_share("Constant", "factor", factor_);
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    const int64_t last = a.length - 1;
    if (a.t == 0) {
      return last == 0 ? a.current : a.current * factor_;
    }
    if (a.t != last) {
      return a.current;
    }
    return factor_ == 0 ? a.base : a.current / factor_;
  }

 private:
  double factor_;
};

struct STRATA_HIDDEN LinearConfig : Common {
  double start_factor = 1.0 / 3;
  double end_factor = 1.0;
};

/// b * (s + (e - s) t / T), T = length - 1; a window of one step is at its end at once.
class STRATA_HIDDEN Linear : public Scheduler {
 public:
  explicit Linear(const LinearConfig& c)
      : Scheduler(c, "Linear"), start_(c.start_factor), end_(c.end_factor) {
    check_share("Linear", "start_factor", start_);
    check_share("Linear", "end_factor", end_);
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    const double now = factor(a.t, a.length - 1);
    if (a.t == 0) {
      return a.current * now;
    }
    const double before = factor(a.t - 1, a.length - 1);
    // From nothing there is no ratio: the base is what is left to start from.
    return before == 0 ? a.base * now : a.current * (now / before);
  }

 private:
  [[nodiscard]] double factor(int64_t t, int64_t last) const {
    return t >= last
               ? end_
               : start_ + (end_ - start_) * static_cast<double>(t) / static_cast<double>(last);
  }

  double start_;
  double end_;
};

struct STRATA_HIDDEN StepConfig : Common {
  int64_t step_size = 0;
  double gamma = 0.1;
};

/// b * gamma^floor(t / step_size)
class STRATA_HIDDEN Step : public Scheduler {
 public:
  explicit Step(const StepConfig& c)
      : Scheduler(c, "Step"), step_size_(c.step_size), gamma_(c.gamma) {
    if (step_size_ < 1) {
      throw refused("Step", "step_size", "must be at least 1, is ", step_size_);
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    const bool due = a.t != 0 && a.t % (step_size_ * a.epoch_length) == 0;
    return due ? a.current * gamma_ : a.current;
  }

 private:
  int64_t step_size_;
  double gamma_;
};

struct STRATA_HIDDEN MultiStepConfig : Common {
  std::vector<int64_t> milestones;
  double gamma = 0.1;
};

/// b * gamma^(number of milestones <= t)
class STRATA_HIDDEN MultiStep : public Scheduler {
 public:
  explicit MultiStep(const MultiStepConfig& c)
      : Scheduler(c, "MultiStep"), milestones_(c.milestones), gamma_(c.gamma) {
    for (const int64_t milestone : milestones_) {
      if (milestone < 0) {
        throw refused("MultiStep", "milestones", "must not be negative, one is ", milestone);
      }
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    const auto due = std::ranges::count_if(
        milestones_, [&](int64_t milestone) { return milestone * a.epoch_length == a.t; });
    return due == 0 ? a.current : a.current * std::pow(gamma_, static_cast<double>(due));
  }

 private:
  std::vector<int64_t> milestones_;
  double gamma_;
};

struct STRATA_HIDDEN ExponentialConfig : Common {
  double gamma = 0;
};

/// b * gamma^t, t in epochs also when it is stepped every iteration.
class STRATA_HIDDEN Exponential : public Scheduler {
 public:
  explicit Exponential(const ExponentialConfig& c) : Scheduler(c, "Exponential"), gamma_(c.gamma) {
    if (!(gamma_ > 0)) {
      throw refused("Exponential", "gamma", "must be above 0, is ", gamma_);
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    if (a.t == 0) {
      return a.current;
    }
    return a.current * (a.epoch_length == 1 ? gamma_ : std::pow(gamma_, 1.0 / a.epoch_length));
  }

 private:
  double gamma_;
};

/// One step of m + (b - m)(1 + cos(pi t / T)) / 2 from the value of the step before.
inline double cosine_step(double current, double base, double low, int64_t t, int64_t period) {
  const double turn = std::numbers::pi / static_cast<double>(period);
  if ((t - 1 - period) % (2 * period) == 0) {  // at the bottom there is no ratio
    return current + (base - low) * (1 - std::cos(turn)) / 2;
  }
  const double now = 1 + std::cos(turn * static_cast<double>(t));
  const double before = 1 + std::cos(turn * static_cast<double>(t - 1));
  return low + (current - low) * now / before;
}

struct STRATA_HIDDEN CosineConfig : Common {
  std::optional<int64_t> T_max;
  std::optional<double> eta_min;
  std::optional<double> eta_min_ratio;
};

class STRATA_HIDDEN CosineAnnealing : public Scheduler {
 public:
  explicit CosineAnnealing(const CosineConfig& c)
      : Scheduler(c, "CosineAnnealing"), period_(c.T_max), floor_{c.eta_min, c.eta_min_ratio} {
    floor_.check("CosineAnnealing");
    if (period_ && *period_ < 1) {
      throw refused("CosineAnnealing", "T_max", "must be at least 1, is ", *period_);
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    const int64_t period = period_ ? *period_ * a.epoch_length : a.length;
    return a.t == 0 ? a.current : cosine_step(a.current, a.base, floor_.of(a.base), a.t, period);
  }

 private:
  std::optional<int64_t> period_;
  Floor floor_;
};

struct STRATA_HIDDEN PolyConfig : Common {
  double eta_min = 0;
  double power = 1;
};

/// m + (b - m)(1 - t / T)^power, T = length - 1
class STRATA_HIDDEN Poly : public Scheduler {
 public:
  explicit Poly(const PolyConfig& c) : Scheduler(c, "Poly"), low_(c.eta_min), power_(c.power) {
    if (!(power_ >= 0)) {
      throw refused("Poly", "power", "must not be negative, is ", power_);
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    if (a.t == 0) {
      return a.current;
    }
    const auto left = static_cast<double>(a.length - 1 - a.t);
    return low_ + (a.current - low_) * std::pow(left / (left + 1), power_);
  }

 private:
  double low_;
  double power_;
};

}  // namespace strata::schedulers
