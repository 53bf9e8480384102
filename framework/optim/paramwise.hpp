// `paramwise_cfg`, read and checked.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/value.hpp"
#include "optim/hypers.hpp"

namespace strata::optim {

/// One entry of custom_keys.
struct CustomKey {
  std::string substring;
  double lr_mult = 1;
  double decay_mult = 1;
  std::vector<std::pair<size_t, double>>
      fields;  // (column, value) that replaces the configured one
};

struct Paramwise {
  std::vector<CustomKey> custom;  // in the order in which they are tried
  std::optional<double> bias_lr_mult;
  std::optional<double> bias_decay_mult;
  std::optional<double> norm_decay_mult;
  std::optional<double> dwconv_decay_mult;
  std::optional<double> flat_decay_mult;
  std::optional<double> dcn_offset_lr_mult;
};

/// Errors: STRATA_E_CONFIG, see make_groups().
Paramwise read_paramwise(const config::Value& table, std::span<const Hyper> hypers);

}  // namespace strata::optim
