// The loss scale.
#include "scaler.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

namespace strata::optim_wrappers {
namespace {

void read_key(const std::string& key, const Node& value, ScalerConfig& out) {
  if (key == "init_scale") {
    out.init_scale = value.as_float();
  } else if (key == "growth_factor") {
    out.growth_factor = value.as_float();
  } else if (key == "backoff_factor") {
    out.backoff_factor = value.as_float();
  } else if (key == "growth_interval") {
    out.growth_interval = value.as_int();
  } else if (key == "enabled") {
    out.enabled = value.as_bool();
  } else {
    throw config_error(value.where(),
                       "unknown key \"",
                       key,
                       "\" in loss_scale; it knows init_scale, growth_factor, backoff_factor, "
                       "growth_interval, enabled");
  }
}

void check_scaler(const ScalerConfig& c, const std::string& where) {
  if (!(c.init_scale > 0) || !std::isfinite(c.init_scale)) {
    throw config_error(
        where, "loss_scale: the scale must be above 0 and finite, is ", c.init_scale);
  }
  if (!(c.growth_factor > 1)) {
    throw config_error(where, "loss_scale: growth_factor must be above 1, is ", c.growth_factor);
  }
  if (!(c.backoff_factor > 0 && c.backoff_factor < 1)) {
    throw config_error(
        where, "loss_scale: backoff_factor must lie in (0, 1), is ", c.backoff_factor);
  }
  if (c.growth_interval < 1) {
    throw config_error(
        where, "loss_scale: growth_interval must be at least 1, is ", c.growth_interval);
  }
}

}  // namespace

ScalerConfig read_scaler(const Node& node) {
  ScalerConfig out;
  if (!node) {
    return out;
  }
  if (node.is_table()) {
    for (uint64_t i = 0; i < node.size(); ++i) {
      const auto [key, value] = node.entry(i);
      read_key(key, value, out);
    }
    node.mark_read();
  } else if (!node.is_text()) {
    out.dynamic = false;
    out.init_scale = node.as_float();
  } else if (node.as_text() != "dynamic") {
    throw config_error(node.where(),
                       R"(loss_scale is "dynamic", a number or a table, not ")",
                       node.as_text(),
                       '"');
  }
  check_scaler(out, node.where());
  return out;
}

void Scaler::update(bool found_inf) {
  if (!config_.dynamic) {
    return;
  }
  if (found_inf) {
    scale_ *= config_.backoff_factor;
    good_steps_ = 0;
    return;
  }
  ++good_steps_;
  if (good_steps_ < config_.growth_interval) {
    return;
  }
  good_steps_ = 0;
  const double larger = scale_ * config_.growth_factor;
  if (std::isfinite(static_cast<float>(larger))) {  // losses are floats
    scale_ = larger;
  }
}

std::string Scaler::save() const {
  return nlohmann::json{{"loss_scaler", {{"scale", scale_}, {"growth_tracker", good_steps_}}}}
      .dump();
}

void Scaler::load(std::string_view json) {
  const auto state = nlohmann::json::parse(json);
  if (!config_.dynamic || !state.contains("loss_scaler")) {
    return;  // saved by a run without a scaler
  }
  scale_ = state["loss_scaler"].at("scale").get<double>();
  good_steps_ = state["loss_scaler"].at("growth_tracker").get<int64_t>();
}

}  // namespace strata::optim_wrappers
