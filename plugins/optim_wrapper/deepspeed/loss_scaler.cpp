// DeepSpeed's loss scale.
#include "loss_scaler.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "strata/cpp/fields.hpp"

namespace strata::deepspeed {
namespace {

void check_at_least(const Node& table, const char* key, int64_t value, int64_t least) {
  if (value < least) {
    throw config_error(
        table.find(key).where(), "fp16.", key, " = ", value, " must be at least ", least);
  }
}

void check_scaler(const Node& table, const LossScalerConfig& c) {
  if (!(c.loss_scale >= 0) || !std::isfinite(c.loss_scale)) {
    throw config_error(table.find("loss_scale").where(),
                       "fp16.loss_scale = ",
                       c.loss_scale,
                       " must be 0 (dynamic) or a positive number");
  }
  if (c.loss_scale > 0) {
    return;  // the rest is not used
  }
  check_at_least(table, "initial_scale_power", c.initial_scale_power, 0);
  check_at_least(table, "loss_scale_window", c.loss_scale_window, 1);
  check_at_least(table, "hysteresis", c.hysteresis, 1);
  check_at_least(table, "min_loss_scale", c.min_loss_scale, 1);
  check_at_least(table, "min_loss_scale_warnings", c.min_loss_scale_warnings, -1);
}

}  // namespace

LossScalerConfig read_loss_scaler(const Node& table) {
  using C = LossScalerConfig;
  Fields<C> fields;
  fields.add("loss_scale", &C::loss_scale, "", "", false);
  fields.add("initial_scale_power", &C::initial_scale_power, "", "", false);
  fields.add("loss_scale_window", &C::loss_scale_window, "", "", false);
  fields.add("hysteresis", &C::hysteresis, "", "", false);
  fields.add("consecutive_hysteresis", &C::consecutive_hysteresis, "", "", false);
  fields.add("min_loss_scale", &C::min_loss_scale, "", "", false);
  fields.add("min_loss_scale_warnings", &C::min_loss_scale_warnings, "", "", false);
  const C config = fields.read(table);
  check_scaler(table, config);
  return config;
}

LossScaler::LossScaler(const LossScalerConfig& config)
    : config_(config),
      scale_(config.loss_scale > 0 ? config.loss_scale
                                   : std::exp2(static_cast<double>(config.initial_scale_power))),
      hysteresis_(config.hysteresis) {}

LossScaler::Verdict LossScaler::update(bool overflow) {
  if (config_.loss_scale > 0) {
    return Verdict::kGoOn;
  }
  Verdict verdict = Verdict::kGoOn;
  if (overflow) {
    verdict = lower();
    last_overflow_ = updates_;
  } else {
    at_minimum_ = 0;
    raise_if_due();
  }
  ++updates_;
  return verdict;
}

LossScaler::Verdict LossScaler::lower() {
  if (hysteresis_ > 1) {
    --hysteresis_;
    return Verdict::kGoOn;
  }
  const auto least = static_cast<double>(config_.min_loss_scale);
  if (scale_ > least) {
    scale_ = std::max(scale_ / 2, least);
    return Verdict::kGoOn;
  }
  ++at_minimum_;
  const bool enough =
      config_.min_loss_scale_warnings >= 0 && at_minimum_ > config_.min_loss_scale_warnings;
  return enough ? Verdict::kGiveUp : Verdict::kAtMinimum;
}

void LossScaler::raise_if_due() {
  if (config_.consecutive_hysteresis) {
    hysteresis_ = config_.hysteresis;
  }
  const int64_t stable = updates_ - last_overflow_ - 1;
  if (stable == 0 || stable % config_.loss_scale_window != 0) {
    return;
  }
  hysteresis_ = config_.hysteresis;
  if (std::isfinite(static_cast<float>(scale_ * 2))) {  // losses are floats
    scale_ *= 2;
  }
}

std::string LossScaler::save() const {
  return nlohmann::json{{"loss_scaler",
                         {{"scale", scale_},
                          {"updates", updates_},
                          {"last_overflow", last_overflow_},
                          {"hysteresis", hysteresis_},
                          {"at_minimum", at_minimum_}}}}
      .dump();
}

void LossScaler::load(std::string_view json) {
  const auto state = nlohmann::json::parse(json);
  if (config_.loss_scale > 0 || !state.contains("loss_scaler")) {
    return;  // saved by a run without a scaler
  }
  const auto& saved = state["loss_scaler"];
  scale_ = saved.at("scale").get<double>();
  // Another wrapper's scaler keeps other counts; the scale is what both have.
  updates_ = saved.value("updates", updates_);
  last_overflow_ = saved.value("last_overflow", last_overflow_);
  hysteresis_ = std::min(saved.value("hysteresis", hysteresis_), config_.hysteresis);
  at_minimum_ = saved.value("at_minimum", at_minimum_);
}

}  // namespace strata::deepspeed
