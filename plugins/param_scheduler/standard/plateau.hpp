// Lowers a hyper-parameter when a metric has stopped improving.
#pragma once

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "scheduler.hpp"

namespace strata::schedulers {

struct STRATA_HIDDEN PlateauConfig : Common {
  std::string monitor = "loss";
  std::string rule = "less";
  double factor = 0.1;
  int64_t patience = 10;
  double threshold = 1e-4;
  std::string threshold_rule = "rel";
  int64_t cooldown = 0;
  double min_value = 0;
  double eps = 1e-8;
};

class STRATA_HIDDEN ReduceOnPlateau : public Scheduler {
 public:
  explicit ReduceOnPlateau(const PlateauConfig& c) : Scheduler(c, "ReduceOnPlateau"), c_(c) {
    check();
    best_ =
        less() ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  }

  [[nodiscard]] strata_scheduler_desc describe() const override {
    strata_scheduler_desc desc = Scheduler::describe();
    desc.monitor = view(c_.monitor);
    return desc;
  }

  std::string save() override {
    nlohmann::json state = {{"bad", bad_}, {"cooling", cooling_}};
    if (std::isfinite(best_)) {  // JSON has no infinity
      state["best"] = best_;
    }
    return state.dump();
  }

  void load(std::string_view json) override {
    const auto state = nlohmann::json::parse(json);
    bad_ = state.at("bad").get<int64_t>();
    cooling_ = state.at("cooling").get<int64_t>();
    best_ = state.value("best", best_);
  }

 protected:
  double next(const strata_scheduler_args& a) override {
    if (a.group == 0) {  // one verdict for all groups
      judge(a.metric);
    }
    if (!reduce_) {
      return a.current;
    }
    const double lower = std::max(a.current * c_.factor, c_.min_value);
    return a.current - lower > c_.eps ? lower : a.current;
  }

 private:
  void check() const {
    if (!c_.by_epoch || c_.convert_to_iter_based) {
      throw refused("ReduceOnPlateau", "by_epoch", "must be true: it steps after validation");
    }
    if (c_.rule != "less" && c_.rule != "greater") {
      throw refused("ReduceOnPlateau", "rule", R"(is "less" or "greater", not ")", c_.rule, '"');
    }
    if (c_.threshold_rule != "rel" && c_.threshold_rule != "abs") {
      throw refused("ReduceOnPlateau",
                    "threshold_rule",
                    R"(is "rel" or "abs", not ")",
                    c_.threshold_rule,
                    '"');
    }
    if (!(c_.factor >= 0 && c_.factor < 1)) {
      throw refused("ReduceOnPlateau", "factor", "must lie in [0, 1), is ", c_.factor);
    }
    if (c_.patience < 0 || c_.cooldown < 0) {
      throw refused("ReduceOnPlateau", "patience", "and cooldown must not be negative");
    }
  }

  [[nodiscard]] bool less() const { return c_.rule == "less"; }

  [[nodiscard]] bool better(double metric) const {
    if (std::isinf(best_)) {
      return !std::isnan(metric);  // the first one; inf * threshold would not compare
    }
    const double step = c_.threshold_rule == "rel" ? best_ * c_.threshold : c_.threshold;
    return less() ? metric < best_ - step : metric > best_ + step;
  }

  void judge(double metric) {
    if (better(metric)) {
      best_ = metric;
      bad_ = 0;
    } else {
      ++bad_;
    }
    if (cooling_ > 0) {
      --cooling_;
      bad_ = 0;
    }
    reduce_ = bad_ > c_.patience;
    if (reduce_) {
      cooling_ = c_.cooldown;
      bad_ = 0;
    }
  }

  PlateauConfig c_;
  double best_ = 0;
  int64_t bad_ = 0;
  int64_t cooling_ = 0;
  bool reduce_ = false;
};

}  // namespace strata::schedulers
