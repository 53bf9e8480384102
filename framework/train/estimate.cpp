// Asking strategies, and their variants, what they need.
#include "train/estimate.hpp"

#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "strata/abi/estimate.h"
#include "strata/cpp/error.hpp"

#include "border/runtime.hpp"
#include "config/merge.hpp"
#include "config/parse.hpp"
#include "registry/lookup.hpp"
#include "train/components.hpp"
#include "train/run_config.hpp"

namespace strata::train {
namespace {

using StrategyObject = border::Object<strata_strategy_api>;

struct Variant {
  std::string label;
  std::string toml;
};

strata_rc put_variant(void* ctx, strata_str label, strata_str toml) {
  return border::guarded([&] {
    static_cast<std::vector<Variant>*>(ctx)->push_back(
        {std::string(border::view(label)), std::string(border::view(toml))});
  });
}

std::vector<Variant> variants_of(const StrategyObject& strategy) {
  std::vector<Variant> out;
  if (!strategy.api().base.get_extension) {
    return out;
  }
  const auto* api =
      static_cast<const strata_estimate_variants_api*>(strategy.api().base.get_extension(
          strategy.self(), border::view(std::string_view(STRATA_EXT_ESTIMATE_VARIANTS))));
  if (api != nullptr) {
    const strata_variant_sink sink = {&out, &put_variant};
    border::check(api->list(strategy.self(), &sink));
  }
  return out;
}

// Objects of one strategy type, made from tables that differ in a few keys.
class Asker {
 public:
  Asker(const registry::Registry& registry, unit::Model& model, const EstimateFacts& facts)
      : registry_(registry), model_(model), facts_(facts) {}

  /// A row for the table as it is; list: filled with the strategy's variants.
  EstimateRow ask(const config::Value& table, std::string label, std::vector<Variant>* list) {
    EstimateRow row;
    row.type = table.child("type")->as_text();
    row.label = std::move(label);
    try {
      const StrategyObject strategy =
          registry_.create<strata_strategy_api>(STRATA_KIND_STRATEGY, table, &nowhere_);
      if (list != nullptr) {
        *list = variants_of(strategy);
      }
      row.estimate = estimate(strategy, model_, facts_);
    } catch (const Error& e) {
      row.error = e.message().substr(0, e.message().find('\n'));
      row.where = e.where();
    }
    return row;
  }

  EstimateRow ask(config::Value table, const Variant& variant) {
    config::Value patch = config::parse_toml(variant.toml, "variant " + variant.label);
    for (const std::string_view key : patch.keys()) {
      const config::Value* old = table.child(key);
      if (old != nullptr && old->is_table() != patch.child(key)->is_table()) {
        table.erase(key);
      }
    }
    config::merge_into(table, std::move(patch));
    config::seal(table);
    return ask(table, variant.label, nullptr);
  }

 private:
  const registry::Registry& registry_;
  unit::Model& model_;
  EstimateFacts facts_;
  strata_runtime nowhere_;  // its log goes to stderr; nothing else is called
};

}  // namespace

int32_t states_per_element(const border::Object<strata_optimizer_api>& optimizer) {
  if (!optimizer) {
    return 0;
  }
  strata_optimizer_caps caps{};
  caps.h = STRATA_HDR(strata_optimizer_caps);
  optimizer.call(&strata_optimizer_api::describe, &caps);
  return static_cast<int32_t>(caps.n_states);
}

int32_t accumulation_of(const border::Object<strata_optim_wrapper_api>& wrapper) {
  int32_t micro = 0;
  int32_t n_micro = 1;
  if (wrapper) {
    wrapper.call(&strata_optim_wrapper_api::window, int64_t{0}, &micro, &n_micro);
  }
  return n_micro;
}

Estimate estimate(const StrategyObject& strategy, unit::Model& model, const EstimateFacts& facts) {
  const strata_strategy_caps caps = caps_of(strategy);
  if (caps.max_world > 0 && facts.world_size > caps.max_world) {
    throw Error(STRATA_E_CONFIG, text("runs on at most ", caps.max_world, " rank(s)"));
  }
  const strata_estimate_args args = {STRATA_HDR(strata_estimate_args),
                                     &model.desc(),
                                     facts.world_size,
                                     facts.states_per_element,
                                     facts.accumulation,
                                     0};
  Estimate out;
  out.c.h = STRATA_HDR(strata_estimate);
  if (!strategy.has(&strata_strategy_api::estimate)) {
    throw Error(STRATA_E_UNSUPPORTED, "gives no estimate");
  }
  strategy.call(&strata_strategy_api::estimate, &args, &out.c);
  return out;
}

Estimate estimate_if_any(const StrategyObject& strategy,
                         unit::Model& model,
                         const EstimateFacts& facts) {
  try {
    return estimate(strategy, model, facts);
  } catch (const Error& e) {
    if (e.code() != STRATA_E_UNSUPPORTED) {
      throw;
    }
    return {};
  }
}

std::vector<EstimateRow> estimate_all(const registry::Registry& registry,
                                      const config::Value& configured,
                                      unit::Model& model,
                                      const EstimateFacts& facts) {
  Asker asker(registry, model, facts);
  std::vector<EstimateRow> rows;
  const auto add = [&](const config::Value& table, bool is_configured) {
    std::vector<Variant> variants;
    EstimateRow whole = asker.ask(table, "", &variants);
    whole.configured = is_configured;
    if (is_configured || variants.empty()) {
      rows.push_back(std::move(whole));
    }
    for (const Variant& variant : variants) {
      rows.push_back(asker.ask(table, variant));
    }
  };
  add(configured, true);
  for (const std::string_view type : registry::type_names(registry.found(), STRATA_KIND_STRATEGY)) {
    if (type != configured.child("type")->as_text()) {
      add(typed_table(std::string(type), "estimate"), false);
    }
  }
  return rows;
}

std::string size_text(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr double kStep = 1024;
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; std::fabs(value) >= kStep && unit + 1 < kUnits.size(); ++unit) {
    value /= kStep;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

int64_t parse_size(const std::string& given, const std::string& what) {
  constexpr std::array<std::pair<std::string_view, double>, 10> kUnits = {{{"", 1.0},
                                                                           {"B", 1.0},
                                                                           {"KB", 1e3},
                                                                           {"MB", 1e6},
                                                                           {"GB", 1e9},
                                                                           {"TB", 1e12},
                                                                           {"KiB", 0x1p10},
                                                                           {"MiB", 0x1p20},
                                                                           {"GiB", 0x1p30},
                                                                           {"TiB", 0x1p40}}};
  char* end = nullptr;
  const double number = std::strtod(given.c_str(), &end);
  std::string_view unit(end);
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  for (const auto& [name, factor] : kUnits) {
    if (name == unit && end != given.c_str() && number > 0 && number * factor < 0x1p62) {
      return static_cast<int64_t>(number * factor);
    }
  }
  throw config_error(what,
                     "\"",
                     given,
                     "\" is no size; write a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB");
}

}  // namespace strata::train
