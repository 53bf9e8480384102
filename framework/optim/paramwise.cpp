// Reads `paramwise_cfg`.
#include "optim/paramwise.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "config/nearest.hpp"

namespace strata::optim {
namespace {

using Member = std::optional<double> Paramwise::*;

struct Rule {
  std::string_view key;
  Member member;
  bool decay;
};

constexpr std::array<Rule, 6> kRules = {
    {{"bias_lr_mult", &Paramwise::bias_lr_mult, false},
     {"bias_decay_mult", &Paramwise::bias_decay_mult, true},
     {"norm_decay_mult", &Paramwise::norm_decay_mult, true},
     {"dwconv_decay_mult", &Paramwise::dwconv_decay_mult, true},
     {"flat_decay_mult", &Paramwise::flat_decay_mult, true},
     {"dcn_offset_lr_mult", &Paramwise::dcn_offset_lr_mult, false}}};

void need_decay(const config::Value& value, std::string_view key, std::span<const Hyper> hypers) {
  const bool has = std::ranges::any_of(
      hypers, [](const Hyper& h) { return (h.flags & STRATA_HYPER_DECAY) != 0; });
  if (!has) {
    throw config_error(value.where(),
                       "paramwise_cfg.",
                       key,
                       " multiplies a weight_decay, but the optimizer has none");
  }
}

Error unknown(const config::Value& value,
              std::string_view key,
              std::string_view in,
              std::vector<std::string_view> known) {
  return config_error(
      value.where(), "unknown key \"", key, "\" in ", in, config::did_you_mean(key, known));
}

CustomKey read_custom(const config::Entry& entry, std::span<const Hyper> hypers) {
  CustomKey out{entry.key, 1, 1, {}};
  for (const auto& [key, value] : entry.value.as_table()) {
    const auto hyper =
        std::ranges::find_if(hypers, [&k = key](const Hyper& h) { return h.name == k; });
    if (key == "lr_mult") {
      out.lr_mult = value.as_float();
    } else if (key == "decay_mult") {
      need_decay(value, "custom_keys." + entry.key + ".decay_mult", hypers);
      out.decay_mult = value.as_float();
    } else if (hyper != hypers.end()) {
      out.fields.emplace_back(hyper - hypers.begin(), value.as_float());
    } else {
      std::vector<std::string_view> known = {"lr_mult", "decay_mult"};
      for (const Hyper& h : hypers) {
        known.push_back(h.name);
      }
      throw unknown(value, key, "paramwise_cfg.custom_keys." + entry.key, known);
    }
  }
  return out;
}

std::vector<CustomKey> read_customs(const config::Value& table, std::span<const Hyper> hypers) {
  std::vector<CustomKey> out;
  for (const config::Entry& entry : table.as_table()) {
    out.push_back(read_custom(entry, hypers));
  }
  std::ranges::sort(out, [](const CustomKey& a, const CustomKey& b) {
    const size_t la = a.substring.size();
    const size_t lb = b.substring.size();
    return la != lb ? la > lb : a.substring < b.substring;
  });
  return out;
}

}  // namespace

Paramwise read_paramwise(const config::Value& table, std::span<const Hyper> hypers) {
  Paramwise out;
  for (const auto& [key, value] : table.as_table()) {
    const auto rule =
        std::ranges::find_if(kRules, [&k = key](const Rule& r) { return r.key == k; });
    if (rule != kRules.end()) {
      if (rule->decay) {
        need_decay(value, key, hypers);
      }
      out.*(rule->member) = value.as_float();
    } else if (key == "custom_keys") {
      out.custom = read_customs(value, hypers);
    } else if (key == "bypass_duplicate") {
      (void)value
          .as_bool();  // the model lists a shared parameter once, so there is nothing to bypass
    } else {
      std::vector<std::string_view> known = {"custom_keys", "bypass_duplicate"};
      for (const Rule& r : kRules) {
        known.push_back(r.key);
      }
      throw unknown(value, key, "paramwise_cfg", known);
    }
  }
  return out;
}

}  // namespace strata::optim
