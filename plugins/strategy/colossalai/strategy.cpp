// ColossalAIStrategy: its settings, what they tell the rest of the run, and the plugin that does the work.
#include "strata/kit/engine_strategy.hpp"

#include "contribute.hpp"
#include "engine.hpp"
#include "read_settings.hpp"
#include "shown.hpp"
#include "variants.hpp"

namespace {

using strata::colossalai::Contribution;
using strata::colossalai::Settings;
using strata::colossalai::StrategyConfig;

class ColossalAIStrategy final : public strata::kit::EngineStrategy<Settings> {
 public:
  explicit ColossalAIStrategy(const StrategyConfig& config)
      : EngineStrategy(strata::colossalai::read_settings(config), strata::colossalai::make_engine) {
  }

  void contribute_config(const strata_config_sink& out) override {
    check_world(settings(), out.world_size);  // before anything is made
    for (const Contribution& c : contributions(settings())) {
      const auto put = c.yields ? out.put_default : out.put;
      strata::check(put(out.ctx, strata::view(c.key), strata::view(c.toml), strata::view(c.where)));
    }
  }

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    check_world(settings(), args.world_size);
    EngineStrategy::estimate(args, out);
  }

  [[nodiscard]] std::vector<strata::EstimateVariant> estimate_variants() const override {
    return strata::colossalai::variants(settings());
  }

  void setup_env(const strata_setup_args& args) override {
    check_world(settings(), args.world_size);
    report(args);
    EngineStrategy::setup_env(args);
  }

 private:
  void report(const strata_setup_args& args) {
    if (args.rank != 0) {
      return;
    }
    for (const std::string& note : settings().common().notes) {
      warn(note);
    }
    if (settings().common().precision == STRATA_F16 && args.device.type == STRATA_CPU) {
      warn(
          "fp16 arithmetic on a CPU is 15 to 46 times slower than fp32; precision = \"bf16\" or "
          "\"fp32\" is for longer "
          "runs");
    }
    info(shown(settings()));
  }
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<ColossalAIStrategy, StrategyConfig>("ColossalAIStrategy")
        .doc("Gemini (parameters in chunks, placed while running) and LowLevelZero (ZeRO 1 and 2).")
        .field("plugin",
               &StrategyConfig::plugin,
               "\"gemini\", \"lowlevel-zero\", or {type = \"GeminiPlugin\" | "
               "\"LowLevelZeroPlugin\", …}; absent: gemini")
        .field("mixed_precision",
               &StrategyConfig::mixed_precision,
               "the plugin's precision decides; refused when it says otherwise")
        .field("model_wrapper",
               &StrategyConfig::model_wrapper,
               "{type = \"ColossalAIModelWrapper\"}")
        .field("config", &StrategyConfig::config, "accepted without effect"));
