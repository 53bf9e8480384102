// Applies `paramwise_cfg` to the parameters.
#include "optim/groups.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "optim/paramwise.hpp"

namespace strata::optim {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_bias(const ParamInfo& p) {
  return p.name == "bias" || std::string_view(p.name).ends_with(".bias");
}

// BatchNorm1d … SyncBatchNorm, InstanceNorm2d, GroupNorm, LayerNorm, also of a user's own naming.
bool is_norm(const ParamInfo& p) {
  for (const std::string_view kind : {"BatchNorm", "InstanceNorm", "GroupNorm", "LayerNorm"}) {
    if (contains(p.module_type, kind)) {
      return true;
    }
  }
  return false;
}

bool is_offset(const ParamInfo& p) {
  return contains(p.name, "conv_offset");
}

// The offsets come from a convolution inside the deformable one.
bool is_deformable(const ParamInfo& p) {
  return contains(p.module_type, "DeformConv") || is_offset(p);
}

bool is_depthwise(const ParamInfo& p) {
  return p.module_type == "Conv2d" && p.in_channels == p.groups;
}

struct Multipliers {
  std::optional<double> lr;
  std::optional<double> decay;
  const CustomKey* custom = nullptr;
};

Multipliers rules_for(const ParamInfo& p, const Paramwise& w) {
  Multipliers out;
  if (is_bias(p) && !is_norm(p) && !is_deformable(p)) {
    out.lr = w.bias_lr_mult;
  }
  if (is_offset(p) && w.dcn_offset_lr_mult) {
    out.lr = w.dcn_offset_lr_mult;
  }
  if (is_norm(p) && w.norm_decay_mult) {
    out.decay = w.norm_decay_mult;
  } else if (is_bias(p) && !is_deformable(p) && w.bias_decay_mult) {
    out.decay = w.bias_decay_mult;
  } else if (is_depthwise(p) && w.dwconv_decay_mult) {
    out.decay = w.dwconv_decay_mult;
  } else if (p.shape.size() == 1 && !is_deformable(p) && w.flat_decay_mult) {
    out.decay = w.flat_decay_mult;
  }
  return out;
}

Multipliers multipliers(const ParamInfo& p, const Paramwise& w) {
  for (const CustomKey& key : w.custom) {
    if (contains(p.name, key.substring)) {
      return {key.lr_mult, key.decay_mult, &key};
    }
  }
  return rules_for(p, w);
}

std::vector<double> values(const Multipliers& m, std::span<const Hyper> hypers) {
  std::vector<double> out;
  for (const Hyper& h : hypers) {
    double value = h.value;
    if ((h.flags & STRATA_HYPER_LR) != 0) {
      value *= m.lr.value_or(1);
    }
    if ((h.flags & STRATA_HYPER_DECAY) != 0) {
      value *= m.decay.value_or(1);
    }
    out.push_back(value);
  }
  if (m.custom != nullptr) {
    for (const auto& [column, value] : m.custom->fields) {
      out[column] = value;
    }
  }
  return out;
}

void log_options(const ParamInfo& p,
                 const std::vector<double>& row,
                 std::span<const Hyper> hypers,
                 std::vector<std::string>& log) {
  for (size_t i = 0; i < hypers.size(); ++i) {
    if (row[i] != hypers[i].value) {
      log.push_back(text("paramwise_options -- ", p.name, ":", hypers[i].name, "=", row[i]));
    }
  }
}

int32_t group_of(const std::vector<double>& row, std::vector<std::vector<double>>& groups) {
  const auto it = std::ranges::find(groups, row);
  const auto index = static_cast<int32_t>(it - groups.begin());
  if (it == groups.end()) {
    groups.push_back(row);
  }
  return index;
}

}  // namespace

ParamGroups make_groups(std::span<const ParamInfo> params,
                        const config::Value* paramwise,
                        std::span<const Hyper> hypers) {
  const Paramwise rules = paramwise == nullptr ? Paramwise{} : read_paramwise(*paramwise, hypers);
  ParamGroups out;
  for (const ParamInfo& p : params) {
    if (!p.trainable) {
      out.group_of.push_back(-1);
      continue;
    }
    const std::vector<double> row = values(multipliers(p, rules), hypers);
    log_options(p, row, hypers, out.log);
    out.group_of.push_back(group_of(row, out.groups));
  }
  if (out.groups.empty()) {
    out.groups.push_back(values({}, hypers));
  }
  return out;
}

}  // namespace strata::optim
