// Which parameter belongs to which optimizer group, and what the groups' hyper-parameters are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/value.hpp"
#include "optim/hypers.hpp"

namespace strata::optim {

/// What the rules of `paramwise_cfg` look at.
struct ParamInfo {
  std::string name;  // full
  std::vector<int64_t> shape;
  bool trainable = true;
  std::string
      module_type;     // of the module that owns it: "BatchNorm2d", "Conv2d"; empty when unknown
  int64_t groups = 1;  // of a convolution
  int64_t in_channels = 0;
};

struct ParamGroups {
  std::vector<std::vector<double>> groups;  // [group][hyper]; at least one, equal ones are one
  std::vector<int32_t> group_of;            // per parameter; -1: frozen
  std::vector<std::string> log;             // lines for the run's log
};

/// MMEngine's rules. Without a paramwise_cfg all trainable parameters are one group.
///
/// `custom_keys`: of all keys that the name contains the longest wins, ties go to the
/// alphabetically first; it switches the other rules off. Decay: norm, then bias, then depthwise
/// convolution, then flat (1-D) parameters. paramwise  may be nullptr Errors     STRATA_E_CONFIG
/// with the place for unknown keys, and for decay rules when the optimizer has no
///            hyper-parameter flagged as decay.
ParamGroups make_groups(std::span<const ParamInfo> params,
                        const config::Value* paramwise,
                        std::span<const Hyper> hypers);

}  // namespace strata::optim
