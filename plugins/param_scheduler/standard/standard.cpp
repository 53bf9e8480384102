// MMEngine's parameter schedulers: each rule as <X>LR, <X>Momentum and <X>ParamScheduler.

#include "cycles.hpp"
#include "plateau.hpp"
#include "rules.hpp"

namespace {

using namespace strata::schedulers;  // NOLINT(google-build-using-namespace): all of this plugin

enum class Drives { kLr, kMomentum, kNamed };

/// A rule that drives a fixed hyper-parameter, or the one that the config names.
template <class Rule, class Config, Drives kWhat>
class For final : public Rule {
 public:
  explicit For(const Config& config) : Rule(named(config)) {}

 private:
  static Config named(Config config) {
    if (kWhat != Drives::kNamed) {
      config.param_name = kWhat == Drives::kLr ? "lr" : "momentum";
    }
    return config;
  }
};

/// One type with the common keys; add() appends those of the rule.
template <class Rule, class Config, Drives kWhat, class Add>
auto type(const std::string& rule, const char* doc, const Add& add) {
  const char* const suffix = kWhat == Drives::kLr         ? "LR"
                             : kWhat == Drives::kMomentum ? "Momentum"
                                                          : "ParamScheduler";
  auto out = strata::exported<For<Rule, Config, kWhat>, Config>(rule + suffix).doc(doc);
  if constexpr (kWhat == Drives::kNamed) {
    out.required("param_name", &Config::param_name, "the hyper-parameter it drives");
  }
  add(out);
  return with_common(out);
}

template <Drives kWhat>
auto constant() {
  return type<Constant, ConstantConfig, kWhat>(
      "Constant", "base * factor until the window ends", [](auto& t) {
        t.field("factor", &ConstantConfig::factor, "share of the base within the window", "[0, 1]");
      });
}

template <Drives kWhat>
auto linear() {
  return type<Linear, LinearConfig, kWhat>(
      "Linear", "a straight line from one share of the base to another", [](auto& t) {
        t.field(
            "start_factor", &LinearConfig::start_factor, "share of the base at begin", "[0, 1]");
        t.field("end_factor",
                &LinearConfig::end_factor,
                "share of the base at the window's last step",
                "[0, 1]");
      });
}

template <Drives kWhat>
auto step() {
  return type<Step, StepConfig, kWhat>("Step", "times gamma every step_size", [](auto& t) {
    t.required(
        "step_size", &StepConfig::step_size, "epochs or iterations between two drops", "[1, inf)");
    t.field("gamma", &StepConfig::gamma, "factor of a drop");
  });
}

template <Drives kWhat>
auto multi_step() {
  return type<MultiStep, MultiStepConfig, kWhat>(
      "MultiStep", "times gamma at each milestone", [](auto& t) {
        t.required(
            "milestones", &MultiStepConfig::milestones, "steps since begin at which it drops");
        t.field("gamma", &MultiStepConfig::gamma, "factor of a drop");
      });
}

template <Drives kWhat>
auto exponential() {
  return type<Exponential, ExponentialConfig, kWhat>(
      "Exponential", "times gamma at each step", [](auto& t) {
        t.required(
            "gamma", &ExponentialConfig::gamma, "factor of an epoch or iteration", "(0, inf)");
      });
}

template <Drives kWhat>
auto cosine() {
  return type<CosineAnnealing, CosineConfig, kWhat>(
      "CosineAnnealing", "half a cosine down to eta_min", [](auto& t) {
        t.field("T_max",
                &CosineConfig::T_max,
                "length of half a period; absent: the window",
                "[1, inf)");
        t.field("eta_min", &CosineConfig::eta_min, "lowest value; absent: 0");
        t.field(
            "eta_min_ratio", &CosineConfig::eta_min_ratio, "lowest value as a share of the base");
      });
}

template <Drives kWhat>
auto poly() {
  return type<Poly, PolyConfig, kWhat>("Poly", "(1 - t / T)^power down to eta_min", [](auto& t) {
    t.field("eta_min", &PolyConfig::eta_min, "value at the window's last step");
    t.field("power", &PolyConfig::power, "exponent", "[0, inf)");
  });
}

template <Drives kWhat>
auto restart() {
  return type<CosineRestart, RestartConfig, kWhat>(
      "CosineRestart", "cosines, each from a new start", [](auto& t) {
        t.required("periods", &RestartConfig::periods, "length of each cosine");
        t.field("restart_weights",
                &RestartConfig::restart_weights,
                "share of the base from which each starts");
        t.field("eta_min", &RestartConfig::eta_min, "lowest value");
        t.field(
            "eta_min_ratio", &RestartConfig::eta_min_ratio, "lowest value as a share of the base");
      });
}

template <Drives kWhat>
auto one_cycle() {
  return type<OneCycle, OneCycleConfig, kWhat>(
      "OneCycle", "one rise and one long fall", [](auto& t) {
        t.required("eta_max", &OneCycleConfig::eta_max, "the highest value");
        t.field("total_steps",
                &OneCycleConfig::total_steps,
                "length of the cycle; absent: the window",
                "[1, inf)");
        t.field("pct_start", &OneCycleConfig::pct_start, "share of the cycle that rises", "[0, 1]");
        t.field("anneal_strategy",
                &OneCycleConfig::anneal_strategy,
                "shape of both ways",
                "cos|linear");
        t.field("div_factor",
                &OneCycleConfig::div_factor,
                "it starts at eta_max / div_factor",
                "(0, inf)");
        t.field("final_div_factor",
                &OneCycleConfig::final_div_factor,
                "it ends at start / final_div_factor",
                "(0, inf)");
        t.field("three_phase",
                &OneCycleConfig::three_phase,
                "back to the start first, then to the end");
      });
}

template <Drives kWhat>
auto plateau() {
  using C = PlateauConfig;
  return type<ReduceOnPlateau, C, kWhat>(
      "ReduceOnPlateau", "lower when a metric stalls", [](auto& t) {
        t.field("monitor", &C::monitor, "the metric, as validation reports it");
        t.field("rule", &C::rule, "whether less or more is better", "less|greater");
        t.field("factor", &C::factor, "factor of a drop", "[0, 1)");
        t.field("patience",
                &C::patience,
                "validations without progress that are tolerated",
                "[0, inf)");
        t.field("threshold", &C::threshold, "progress below it is none");
        t.field("threshold_rule",
                &C::threshold_rule,
                "threshold is a share of the best, or a number",
                "rel|abs");
        t.field("cooldown", &C::cooldown, "validations after a drop that do not count", "[0, inf)");
        t.field("min_value", &C::min_value, "never below");
        t.field("eps", &C::eps, "smaller drops are not made");
      });
}

constexpr Drives kLr = Drives::kLr;
constexpr Drives kMomentum = Drives::kMomentum;
constexpr Drives kNamed = Drives::kNamed;

}  // namespace

STRATA_PLUGIN(constant<kLr>(),
              constant<kMomentum>(),
              constant<kNamed>(),
              linear<kLr>(),
              linear<kMomentum>(),
              linear<kNamed>(),
              step<kLr>(),
              step<kMomentum>(),
              step<kNamed>(),
              multi_step<kLr>(),
              multi_step<kMomentum>(),
              multi_step<kNamed>(),
              exponential<kLr>(),
              exponential<kMomentum>(),
              exponential<kNamed>(),
              cosine<kLr>(),
              cosine<kMomentum>(),
              cosine<kNamed>(),
              poly<kLr>(),
              poly<kMomentum>(),
              poly<kNamed>(),
              restart<kLr>(),
              restart<kMomentum>(),
              restart<kNamed>(),
              one_cycle<kLr>(),
              one_cycle<kNamed>(),
              plateau<kLr>(),
              plateau<kMomentum>(),
              plateau<kNamed>());
