// ColossalAI's loss scale.
#include "loss_scaler.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "strata/cpp/fields.hpp"

namespace strata::colossalai {
namespace {

void check_that(bool fits, const Node& table, const char* key, double value, const char* what) {
  if (!fits || !std::isfinite(value)) {
    const Node given = table.find(key);
    throw config_error(
        given ? given.where() : table.where(), "loss_scale.", key, " = ", value, " must be ", what);
  }
}

void check_scaler(const Node& table, const LossScalerConfig& c) {
  check_that(c.min_scale > 0, table, "min_scale", c.min_scale, "more than 0");
  check_that(c.max_scale >= c.min_scale && std::isfinite(static_cast<float>(c.max_scale)),
             table,
             "max_scale",
             c.max_scale,
             "at least min_scale, and a float");
  check_that(c.initial_scale >= c.min_scale && c.initial_scale <= c.max_scale,
             table,
             "initial_scale",
             c.initial_scale,
             "in [min_scale, max_scale]");
  check_that(c.growth_factor >= 1, table, "growth_factor", c.growth_factor, "at least 1");
  check_that(c.backoff_factor > 0 && c.backoff_factor < 1,
             table,
             "backoff_factor",
             c.backoff_factor,
             "in (0, 1)");
  check_that(c.growth_interval >= 1,
             table,
             "growth_interval",
             static_cast<double>(c.growth_interval),
             "at least 1");
  check_that(
      c.hysteresis >= 1, table, "hysteresis", static_cast<double>(c.hysteresis), "at least 1");
}

}  // namespace

LossScalerConfig read_loss_scaler(const Node& table) {
  using C = LossScalerConfig;
  Fields<C> fields;
  fields.add("initial_scale", &C::initial_scale, "", "", false);
  fields.add("min_scale", &C::min_scale, "", "", false);
  fields.add("max_scale", &C::max_scale, "", "", false);
  fields.add("growth_factor", &C::growth_factor, "", "", false);
  fields.add("backoff_factor", &C::backoff_factor, "", "", false);
  fields.add("growth_interval", &C::growth_interval, "", "", false);
  fields.add("hysteresis", &C::hysteresis, "", "", false);
  const C config = fields.read(table);
  check_scaler(table, config);
  return config;
}

void LossScaler::update(bool overflow) {
  if (overflow) {
    good_ = 0;
    overflows_ = std::min(overflows_ + 1, config_.hysteresis);
    if (overflows_ == config_.hysteresis) {
      scale_ = std::max(scale_ * config_.backoff_factor, config_.min_scale);
    }
    return;
  }
  if (++good_ == config_.growth_interval) {
    good_ = 0;
    overflows_ = 0;
    scale_ = std::min(scale_ * config_.growth_factor, config_.max_scale);
  }
}

std::string LossScaler::save() const {
  return nlohmann::json{
      {"loss_scaler", {{"scale", scale_}, {"good", good_}, {"overflows", overflows_}}}}
      .dump();
}

void LossScaler::load(std::string_view json) {
  const auto state = nlohmann::json::parse(json);
  if (!state.contains("loss_scaler")) {
    return;  // saved by a run without a scaler
  }
  const auto& saved = state["loss_scaler"];
  // Another wrapper's scaler keeps other counts; the scale is what all have. Its limits are those of this run.
  scale_ = std::clamp(saved.at("scale").get<double>(), config_.min_scale, config_.max_scale);
  good_ = std::min(saved.value("good", good_), config_.growth_interval - 1);
  overflows_ = std::min(saved.value("overflows", overflows_), config_.hysteresis);
}

}  // namespace strata::colossalai
