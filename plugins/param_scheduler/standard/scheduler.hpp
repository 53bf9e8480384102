// What all schedulers share: the common keys, their checks and the description for the host.
#pragma once

#include <optional>
#include <string>

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"

namespace strata::schedulers {

struct STRATA_HIDDEN Common {
  std::string param_name;
  int64_t begin = 0;
  std::optional<int64_t> end;
  bool by_epoch = true;
  int64_t last_step = -1;
  bool verbose = false;
  bool convert_to_iter_based = false;
};

/// "StepLR" is how users know the rule, whatever it drives.
template <class... Parts>
Error refused(const char* rule, const char* field, const Parts&... parts) {
  return config_error("", rule, ": ", field, " ", parts...);
}

class STRATA_HIDDEN Scheduler : public ParamScheduler {
 public:
  Scheduler(Common common, const char* rule) : common_(std::move(common)) {
    if (common_.param_name.empty()) {
      throw refused(
          rule, "param_name", R"(must name a hyper-parameter, as "lr" or "weight_decay")");
    }
    if (common_.begin < 0) {
      throw refused(rule, "begin", "must not be negative, is ", common_.begin);
    }
    if (common_.end && *common_.end <= common_.begin) {
      throw refused(rule, "end", "= ", *common_.end, " must be above begin = ", common_.begin);
    }
    if (common_.last_step != -1) {
      throw refused(rule,
                    "last_step",
                    "is kept by the checkpoint; use --resume instead of ",
                    common_.last_step);
    }
    if (common_.convert_to_iter_based && !common_.by_epoch) {
      throw refused(
          rule, "convert_to_iter_based", "wants by_epoch = true: there are no epochs to convert");
    }
  }

  [[nodiscard]] strata_scheduler_desc describe() const override {
    strata_scheduler_desc desc{};
    desc.h = STRATA_HDR(strata_scheduler_desc);
    desc.param = view(common_.param_name);
    desc.begin = common_.begin;
    desc.end = common_.end.value_or(-1);
    desc.by_epoch = common_.by_epoch ? 1 : 0;
    desc.convert_to_iter_based = common_.convert_to_iter_based ? 1 : 0;
    return desc;
  }

  double value(const strata_scheduler_args& args) final {
    const double out = next(args);
    if (common_.verbose) {
      info(common_.param_name, " of group ", args.group, " at step ", args.t, ": ", out);
    }
    return out;
  }

 protected:
  virtual double next(const strata_scheduler_args& args) = 0;

 private:
  Common common_;
};

/// The lower bound of a decay: a number, or a share of the base.
struct STRATA_HIDDEN Floor {
  std::optional<double> value;
  std::optional<double> ratio;

  [[nodiscard]] double of(double base) const { return ratio ? base * *ratio : value.value_or(0); }

  void check(const char* rule) const {
    if (value && ratio) {
      throw refused(rule, "eta_min", "and eta_min_ratio exclude each other");
    }
  }
};

/// Adds the common keys to a type.
template <class T, class Config>
Exported<T, Config> with_common(Exported<T, Config> type) {
  return type.field("begin", &Config::begin, "epoch or iteration at which it starts", "[0, inf)")
      .field(
          "end", &Config::end, "epoch or iteration at which it has ended; absent: the run's last")
      .field("by_epoch", &Config::by_epoch, "count epochs; false: iterations")
      .field("last_step", &Config::last_step, "accepted as -1; resuming restores the position")
      .field("verbose", &Config::verbose, "log every new value")
      .field("convert_to_iter_based",
             &Config::convert_to_iter_based,
             "numbers are epochs, steps are taken every iteration");
}

}  // namespace strata::schedulers
