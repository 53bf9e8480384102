// DeepSpeedStrategy: its configuration, what that tells the rest of the run, and the engine that does the work.
#include "strata/kit/engine_strategy.hpp"

#include "contribute.hpp"
#include "engine.hpp"
#include "settings/keys.hpp"

namespace {

using strata::deepspeed::BatchFacts;
using strata::deepspeed::Contribution;
using strata::deepspeed::Loaded;

struct StrategyConfig {
  strata::Node table;
};

class DeepSpeedStrategy final : public strata::kit::EngineStrategy<Loaded> {
 public:
  explicit DeepSpeedStrategy(const StrategyConfig& config)
      : EngineStrategy(strata::deepspeed::load(config.table), [](const Loaded& loaded) {
          return strata::deepspeed::make_engine(loaded.config);
        }) {}

  void contribute_config(const strata_config_sink& out) override {
    std::vector<std::string> notes;
    for (const Contribution& c :
         contributions(settings(), BatchFacts{out.micro_batch_size, out.world_size}, notes)) {
      const auto put = c.yields ? out.put_default : out.put;
      strata::check(put(out.ctx, strata::view(c.key), strata::view(c.toml), strata::view(c.where)));
    }
  }

  [[nodiscard]] std::vector<strata::EstimateVariant> estimate_variants() const override {
    std::vector<strata::EstimateVariant> out;
    for (const std::string stage : {"0", "1", "2", "3"}) {
      out.push_back({"stage " + stage, "zero_optimization.stage = " + stage});
    }
    return out;
  }

  void setup_env(const strata_setup_args& args) override {
    report(args);
    EngineStrategy::setup_env(args);
  }

 private:
  // What was contributed is repeated for its notes and its checks: only here are rank and log there.
  void report(const strata_setup_args& args) {
    std::vector<std::string> notes = settings().config.warnings;
    std::ignore =
        contributions(settings(), BatchFacts{args.micro_batch_size, args.world_size}, notes);
    if (settings().config.fp16.enabled && args.device.type == STRATA_CPU) {
      notes.emplace_back(
          "fp16 arithmetic on a CPU is 15 to 46 times slower than fp32; bf16 = { enabled = true } "
          "or "
          "fp32 is for longer runs");
    }
    if (args.rank != 0) {
      return;
    }
    for (const std::string& note : notes) {
      warn(note);
    }
    info(shown(settings().config));
  }
};

auto strategy() {
  auto type = strata::exported<DeepSpeedStrategy, StrategyConfig>("DeepSpeedStrategy");
  type.doc("DeepSpeed's configuration, inline or as a ds_config.json, and ZeRO.");
  type.whole_table(&StrategyConfig::table);
  for (const strata::deepspeed::Key& key : strata::deepspeed::keys()) {
    if (*key.section == '\0') {
      type.described(key.name, key.note);
    }
  }
  return type;
}

}  // namespace

STRATA_PLUGIN(strategy());
