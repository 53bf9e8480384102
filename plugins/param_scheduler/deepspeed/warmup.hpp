// A rise at the beginning, then constant, a line down to zero, or a cosine.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "schedule.hpp"

namespace strata::deepspeed {

struct STRATA_HIDDEN RiseConfig : ScheduleConfig {
  int64_t warmup_num_steps = 1000;
  std::string warmup_type = "log";
};

/// From 0 to 1 within n updates: ln(b + 1) / ln(n), or b / n; b counts from -1, so the first two
/// updates are at 0.
class STRATA_HIDDEN Rise {
 public:
  Rise(const RiseConfig& c, const char* type)
      : steps_(std::max<int64_t>(2, c.warmup_num_steps)), log_(c.warmup_type == "log") {
    if (c.warmup_num_steps < 1) {
      throw refused(type, "warmup_num_steps", "must be at least 1, is ", c.warmup_num_steps);
    }
    if (!log_ && c.warmup_type != "linear") {
      throw refused(type, "warmup_type", R"(is "log" or "linear", not ")", c.warmup_type, '"');
    }
  }

  [[nodiscard]] int64_t steps() const { return steps_; }

  /// 0 <= b < steps()
  [[nodiscard]] double share(int64_t b) const {
    const auto at = static_cast<double>(b);
    const auto n = static_cast<double>(steps_);
    return log_ ? std::log(at + 1) / std::log(n) : at / n;
  }

 private:
  int64_t steps_;
  bool log_;
};

struct STRATA_HIDDEN WarmupConfig : RiseConfig {
  Node warmup_min_lr;
  Node warmup_max_lr;
};

/// min + (max - min) share, then max.
class STRATA_HIDDEN Warmup : public Schedule {
 public:
  explicit Warmup(const WarmupConfig& c) : Warmup(c, "WarmupLR") {
    of_group_ = of_group_ || !c.warmup_max_lr;
  }

  double value(const strata_scheduler_args& a) override {
    const int64_t b = a.t - 1;
    const double low = min_.of(a);
    if (b < 0) {
      return low;
    }
    const double high = of_group_ ? a.base : max_.of(a);
    return low + (high - low) * (b < rise_.steps() ? rise_.share(b) : after(a, b));
  }

 protected:
  Warmup(const WarmupConfig& c, const char* type)
      : Schedule(c, type),
        rise_(c, type),
        min_(PerGroup::read(
            is_auto(c.warmup_min_lr) ? Node() : c.warmup_min_lr, "warmup_min_lr", 0)),
        of_group_(is_auto(c.warmup_max_lr)) {
    if (!of_group_) {
      max_ = PerGroup::read(c.warmup_max_lr, "warmup_max_lr", 1e-3);
    }
  }

  /// The share of the rise's height that is left at b >= steps.
  [[nodiscard]] virtual double after(const strata_scheduler_args&, int64_t) const { return 1; }

  [[nodiscard]] int64_t rise_steps() const { return rise_.steps(); }

 private:
  Rise rise_;
  PerGroup min_;
  PerGroup max_;
  bool of_group_;  // each group rises to its own learning rate
};

/// `total_num_steps`: a number, or "auto" for the run's updates.
class STRATA_HIDDEN Total {
 public:
  Total(const Node& node, const char* type) : type_(type) {
    if (is_auto(node)) {
      return;
    }
    steps_ = node.as_int();
    if (steps_ < 1) {
      throw config_error(node.where(), type, ": total_num_steps must be at least 1, is ", steps_);
    }
  }

  [[nodiscard]] int64_t of(const strata_scheduler_args& a) const {
    if (steps_ == 0 && a.length < 1) {
      throw refused(type_, "total_num_steps", "= \"auto\": the length of the run is not known");
    }
    return steps_ == 0 ? a.length : steps_;
  }

 private:
  const char* type_;
  int64_t steps_ = 0;  // 0: the run's
};

struct STRATA_HIDDEN WarmupDecayConfig : WarmupConfig {
  Node total_num_steps;
};

/// As WarmupLR, then a line down to min at the last update.
class STRATA_HIDDEN WarmupDecay final : public Warmup {
 public:
  explicit WarmupDecay(const WarmupDecayConfig& c)
      : Warmup(c, "WarmupDecayLR"), total_(c.total_num_steps, "WarmupDecayLR") {}

 protected:
  [[nodiscard]] double after(const strata_scheduler_args& a, int64_t b) const override {
    const int64_t total = total_.of(a);
    const auto whole = static_cast<double>(std::max<int64_t>(1, total - rise_steps()));
    return std::max(0.0, static_cast<double>(total - b) / whole);
  }

 private:
  Total total_;
};

struct STRATA_HIDDEN WarmupCosineConfig : RiseConfig {
  Node total_num_steps;
  double warmup_min_ratio = 0;
  double cos_min_ratio = 1e-4;
};

/// Shares of each group's learning rate: a rise, then half a cosine down to cos_min_ratio.
class STRATA_HIDDEN WarmupCosine final : public Schedule {
 public:
  explicit WarmupCosine(const WarmupCosineConfig& c)
      : Schedule(c, "WarmupCosineLR"),
        rise_(c, "WarmupCosineLR"),
        total_(c.total_num_steps, "WarmupCosineLR"),
        first_(c.warmup_min_ratio),
        last_(c.cos_min_ratio) {}

  double value(const strata_scheduler_args& a) override {
    const int64_t b = a.t - 1;
    if (b < 0) {
      return 0;
    }
    if (b < rise_.steps()) {
      return a.base * (first_ + (1 - first_) * rise_.share(b));
    }
    const auto whole = static_cast<double>(std::max<int64_t>(1, total_.of(a) - rise_.steps()));
    const double done = std::min(1.0, static_cast<double>(b - rise_.steps() + 1) / whole);
    return a.base * (last_ + (1 - last_) * (1 + std::cos(std::numbers::pi * done)) / 2);
  }

 private:
  Rise rise_;
  Total total_;
  double first_;
  double last_;
};

}  // namespace strata::deepspeed
