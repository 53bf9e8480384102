// Reading and checking the keys of EMAHook.
#include "config.hpp"

namespace strata::hook_ema {
namespace {

using Kind = AverageRule::Kind;

struct AverageTable : AverageKeys {
  std::string type;
};

Kind kind_of(const std::string& type, const std::string& where) {
  if (type == "ExponentialMovingAverage") {
    return Kind::kExponential;
  }
  if (type == "MomentumAnnealingEMA") {
    return Kind::kAnnealing;
  }
  if (type == "StochasticWeightAverage") {
    return Kind::kStochastic;
  }
  throw config_error(where,
                     "ema_type \"",
                     type,
                     "\" is unknown; there are ExponentialMovingAverage, MomentumAnnealingEMA and "
                     "StochasticWeightAverage");
}

AverageTable read_type(const Node& node) {
  AverageTable out;
  out.type = "ExponentialMovingAverage";
  if (!node) {
    return out;
  }
  if (!node.is_table()) {
    out.type = node.as_text();
    return out;
  }
  Fields<AverageTable> fields;
  fields.add("type", &AverageTable::type, "", "", true);
  fields.add("momentum", &AverageTable::momentum, "", "", false);
  fields.add("gamma", &AverageTable::gamma, "", "", false);
  fields.add("interval", &AverageTable::interval, "", "", false);
  fields.add("update_buffers", &AverageTable::update_buffers, "", "", false);
  return fields.read(node);
}

template <class T>
std::optional<T> one_of(const char* key,
                        const std::optional<T>& outside,
                        const std::optional<T>& inside,
                        const std::string& where) {
  if (outside && inside) {
    throw config_error(where, key, " stands beside ema_type and in it; leave one of them out");
  }
  return outside ? outside : inside;
}

void check_range(bool good, const std::string& where, const char* rule, double value) {
  if (!good) {
    throw config_error(where, rule, ", is ", value);
  }
}

}  // namespace

EmaOptions read_options(const EmaConfig& config) {
  const std::string where = config.ema_type ? config.ema_type.where() : std::string();
  const AverageTable table = read_type(config.ema_type);
  const auto momentum = one_of("momentum", config.momentum, table.momentum, where);
  const auto gamma = one_of("gamma", config.gamma, table.gamma, where);
  const auto interval = one_of("interval", config.interval, table.interval, where);
  EmaOptions out;
  out.rule.kind = kind_of(table.type, where);
  out.rule.momentum = momentum.value_or(out.rule.momentum);
  out.rule.gamma = gamma.value_or(out.rule.gamma);
  out.rule.interval = interval.value_or(1);
  out.update_buffers =
      one_of("update_buffers", config.update_buffers, table.update_buffers, where).value_or(false);
  out.strict_load = config.strict_load;
  out.begin_iter = config.begin_iter;
  out.begin_epoch = config.begin_epoch;
  if (momentum && out.rule.kind == Kind::kStochastic) {
    throw config_error(where, "StochasticWeightAverage weighs all alike and has no momentum");
  }
  if (gamma && out.rule.kind != Kind::kAnnealing) {
    throw config_error(where, "gamma belongs to MomentumAnnealingEMA, not to ", table.type);
  }
  check_range(out.rule.momentum > 0 && out.rule.momentum < 1,
              where,
              "momentum must be above 0 and below 1",
              out.rule.momentum);
  check_range(
      out.rule.gamma > 0, where, "gamma must be above 0", static_cast<double>(out.rule.gamma));
  check_range(out.rule.interval > 0,
              where,
              "interval must be above 0",
              static_cast<double>(out.rule.interval));
  if (out.begin_iter > 0 && out.begin_epoch > 0) {
    throw config_error(where, "EMAHook begins at begin_iter or at begin_epoch; leave one out");
  }
  return out;
}

}  // namespace strata::hook_ema
