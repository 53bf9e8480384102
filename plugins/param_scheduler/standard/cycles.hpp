// Schedules that set values of their own, free of the current one: cosine with restarts, one cycle.
#pragma once

#include <numeric>

#include "rules.hpp"

namespace strata::schedulers {

struct STRATA_HIDDEN RestartConfig : Common {
  std::vector<int64_t> periods;
  std::vector<double> restart_weights = {1};
  std::optional<double> eta_min;
  std::optional<double> eta_min_ratio;
};

/// In period i: m + (b w_i - m)(1 + cos(pi u / P_i)) / 2, u steps into it; afterwards what it was.
class STRATA_HIDDEN CosineRestart : public Scheduler {
 public:
  explicit CosineRestart(const RestartConfig& c)
      : Scheduler(c, "CosineRestart"),
        periods_(c.periods),
        weights_(c.restart_weights),
        floor_{c.eta_min, c.eta_min_ratio} {
    floor_.check("CosineRestart");
    if (!c.eta_min && !c.eta_min_ratio) {
      throw refused("CosineRestart", "eta_min", "or eta_min_ratio must be given");
    }
    if (periods_.empty() || periods_.size() != weights_.size()) {
      throw refused("CosineRestart",
                    "periods",
                    "and restart_weights must be equally many, are ",
                    periods_.size(),
                    " and ",
                    weights_.size());
    }
    for (const int64_t period : periods_) {
      if (period < 1) {
        throw refused("CosineRestart", "periods", "must be at least 1, one is ", period);
      }
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    int64_t into = a.t;
    for (size_t i = 0; i < periods_.size(); ++i) {
      const int64_t period = periods_[i] * a.epoch_length;
      if (into < period) {
        const double low = floor_.of(a.base);
        const double turn =
            std::numbers::pi * static_cast<double>(into) / static_cast<double>(period);
        return low + (a.base * weights_[i] - low) * (1 + std::cos(turn)) / 2;
      }
      into -= period;
    }
    return a.current;
  }

 private:
  std::vector<int64_t> periods_;
  std::vector<double> weights_;
  Floor floor_;
};

struct STRATA_HIDDEN OneCycleConfig : Common {
  double eta_max = 0;
  std::optional<int64_t> total_steps;
  double pct_start = 0.3;
  std::string anneal_strategy = "cos";
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;
};

/// Smith & Topin, arXiv:1708.07120: up from eta_max / div_factor to eta_max, down to a
/// final_div_factor-th of the start.
class STRATA_HIDDEN OneCycle : public Scheduler {
 public:
  explicit OneCycle(const OneCycleConfig& c) : Scheduler(c, "OneCycle"), c_(c) {
    check_share("OneCycle", "pct_start", c.pct_start);
    if (c.total_steps && *c.total_steps < 1) {
      throw refused("OneCycle", "total_steps", "must be at least 1, is ", *c.total_steps);
    }
    if (c.anneal_strategy != "cos" && c.anneal_strategy != "linear") {
      throw refused(
          "OneCycle", "anneal_strategy", R"(is "cos" or "linear", not ")", c.anneal_strategy, '"');
    }
    if (!(c.div_factor > 0) || !(c.final_div_factor > 0)) {
      throw refused("OneCycle", "div_factor", "and final_div_factor must be above 0");
    }
    if (c.three_phase && c.pct_start > 0.5) {
      throw refused(
          "OneCycle", "pct_start", "must be at most 0.5 with three_phase, is ", c.pct_start);
    }
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    const int64_t total = c_.total_steps ? *c_.total_steps * a.epoch_length : a.length;
    if (a.length > total) {  // said at its first step, not when the cycle is over
      throw refused("OneCycle",
                    "total_steps",
                    "= ",
                    total,
                    " is less than the ",
                    a.length,
                    " steps of its window; raise it or set end");
    }
    const double start = c_.eta_max / c_.div_factor;
    const double last = start / c_.final_div_factor;
    const auto t = static_cast<double>(a.t);
    const auto n = static_cast<double>(total);
    const double top = c_.pct_start * n - 1;
    if (t <= top) {
      return between(start, c_.eta_max, 0, top, t);
    }
    if (!c_.three_phase) {
      return between(c_.eta_max, last, top, n - 1, t);
    }
    const double back = 2 * c_.pct_start * n - 2;
    return t <= back ? between(c_.eta_max, start, top, back, t)
                     : between(start, last, back, n - 1, t);
  }

 private:
  [[nodiscard]] double between(double from, double to, double begin, double end, double t) const {
    const double share = end > begin ? (t - begin) / (end - begin) : 1;
    if (c_.anneal_strategy == "linear") {
      return from + (to - from) * share;
    }
    return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
  }

  OneCycleConfig c_;
};

}  // namespace strata::schedulers
