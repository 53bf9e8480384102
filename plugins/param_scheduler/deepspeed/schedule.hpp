// What DeepSpeed's schedules share: they count applied updates, and take a number for all groups or
// one for each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"

namespace strata::deepspeed {

struct STRATA_HIDDEN ScheduleConfig {
  int64_t last_batch_iteration = -1;
};

template <class... Parts>
Error refused(const char* type, const char* field, const Parts&... parts) {
  return config_error("", type, ": ", field, " ", parts...);
}

/// A number for every group, or a list with one for each.
class STRATA_HIDDEN PerGroup {
 public:
  PerGroup() = default;

  PerGroup(const Node& node, const char* key) : where_(node.where()), key_(key) {
    if (!node.is_list()) {
      values_ = {node.as_float()};
      return;
    }
    list_ = true;
    for (uint64_t i = 0; i < node.size(); ++i) {
      values_.push_back(node.entry(i).second.as_float());
    }
    node.mark_read();
  }

  /// The fallback when the key is absent.
  static PerGroup read(const Node& node, const char* key, double fallback) {
    PerGroup out;
    if (node) {
      return {node, key};
    }
    out.values_ = {fallback};
    return out;
  }

  /// Errors: STRATA_E_CONFIG when the list is not as long as there are groups.
  [[nodiscard]] double of(const strata_scheduler_args& a) const {
    if (!list_) {
      return values_.front();
    }
    if (values_.size() != static_cast<size_t>(a.n_groups)) {
      throw config_error(where_,
                         key_,
                         " has ",
                         values_.size(),
                         " values, and the optimizer has ",
                         a.n_groups,
                         " parameter group(s)");
    }
    return values_[a.group < a.n_groups ? static_cast<size_t>(a.group) : 0];  // the reference
  }

 private:
  std::vector<double> values_;
  bool list_ = false;
  std::string where_;
  const char* key_ = "";
};

/// "auto" stands for what the run itself says.
inline bool is_auto(const Node& node) {
  return node && node.is_text() && node.as_text() == "auto";
}

/// Sets the learning rate of update t (from 0). DeepSpeed counts from -1: its b is t - 1.
class STRATA_HIDDEN Schedule : public ParamScheduler {
 public:
  Schedule(const ScheduleConfig& c, const char* type) {
    if (c.last_batch_iteration != -1) {
      throw refused(type,
                    "last_batch_iteration",
                    "is kept by the checkpoint; use --resume instead of ",
                    c.last_batch_iteration);
    }
  }

  [[nodiscard]] strata_scheduler_desc describe() const override {
    strata_scheduler_desc desc{};
    desc.h = STRATA_HDR(strata_scheduler_desc);
    desc.param = view("lr");
    desc.end = -1;
    desc.by_update = 1;
    return desc;
  }
};

template <class T, class Config>
Exported<T, Config> with_position(Exported<T, Config> type) {
  return type.field("last_batch_iteration",
                    &Config::last_batch_iteration,
                    "accepted as -1; resuming restores the position");
}

}  // namespace strata::deepspeed
