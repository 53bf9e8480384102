// ColossalAIStrategy: its settings, what they tell the rest of the run, and the plugin that does the work.
#include "contribute.hpp"
#include "engine.hpp"
#include "read_settings.hpp"
#include "shown.hpp"
#include "variants.hpp"

namespace {

using strata::colossalai::Contribution;
using strata::colossalai::Settings;
using strata::colossalai::StrategyConfig;

class ColossalAIStrategy final : public strata::Strategy {
 public:
  explicit ColossalAIStrategy(const StrategyConfig& config)
      : settings_(strata::colossalai::read_settings(config)),
        engine_(strata::colossalai::make_engine(settings_)) {}

  [[nodiscard]] strata_strategy_caps describe() const override { return engine_->describe(); }

  void contribute_config(const strata_config_sink& out) override {
    check_world(settings_, out.world_size);  // before anything is made
    for (const Contribution& c : contributions(settings_)) {
      const auto put = c.yields ? out.put_default : out.put;
      strata::check(put(out.ctx, strata::view(c.key), strata::view(c.toml), strata::view(c.where)));
    }
  }

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    check_world(settings_, args.world_size);
    engine_->estimate(args, out);
  }

  [[nodiscard]] std::vector<strata::EstimateVariant> estimate_variants() const override {
    return strata::colossalai::variants(settings_);
  }

  void setup_env(const strata_setup_args& args) override {
    check_world(settings_, args.world_size);
    report(args);
    engine_->attach(runtime());
    engine_->setup_env(args);
  }

  void plan_units(const strata::ModelView& model, std::span<strata_unit_plan> plan) override {
    engine_->plan_units(model, plan);
  }

  void materialize(int32_t unit) override { engine_->materialize(unit); }

  void materialize_done() override { engine_->materialize_done(); }

  void optim_views(const strata::OptimViewSink& out) override { engine_->optim_views(out); }

  void iter_begin(const strata_step_ctx& ctx) override { engine_->iter_begin(ctx); }

  void pre_forward(int32_t unit, const strata_step_ctx& ctx) override {
    engine_->pre_forward(unit, ctx);
  }

  void post_forward(int32_t unit, const strata_step_ctx& ctx) override {
    engine_->post_forward(unit, ctx);
  }

  void pre_backward(int32_t unit, const strata_step_ctx& ctx) override {
    engine_->pre_backward(unit, ctx);
  }

  void post_backward(int32_t unit, const strata_step_ctx& ctx) override {
    engine_->post_backward(unit, ctx);
  }

  void unit_grads_ready(int32_t unit, int32_t pass, const strata_step_ctx& ctx) override {
    engine_->unit_grads_ready(unit, pass, ctx);
  }

  void grad_ready(int32_t param, const strata_step_ctx& ctx) override {
    engine_->grad_ready(param, ctx);
  }

  void backward_done(const strata_step_ctx& ctx) override { engine_->backward_done(ctx); }

  void iter_end(const strata_step_ctx& ctx) override { engine_->iter_end(ctx); }

  void abort_iter(const strata_step_ctx& ctx) noexcept override { engine_->abort_iter(ctx); }

  void pre_step(const strata_step_ctx& ctx) override { engine_->pre_step(ctx); }

  void post_step(const strata_step_ctx& ctx) override { engine_->post_step(ctx); }

  [[nodiscard]] bool shards_gradients() const override { return engine_->shards_gradients(); }

  double grad_norm(double p) override { return engine_->grad_norm(p); }

  void scope_enter(std::span<const int32_t> units, bool write) override {
    engine_->scope_enter(units, write);
  }

  void scope_exit(std::span<const int32_t> units, bool write) override {
    engine_->scope_exit(units, write);
  }

  std::string save() override { return engine_->save(); }

  void load(std::string_view state) override { engine_->load(state); }

  void stats(const strata_number_sink& out) override { engine_->stats(out); }

  void values_changed() override { engine_->values_changed(); }

 private:
  void report(const strata_setup_args& args) {
    if (args.rank != 0) {
      return;
    }
    for (const std::string& note : settings_.common().notes) {
      warn(note);
    }
    if (settings_.common().precision == STRATA_F16 && args.device.type == STRATA_CPU) {
      warn(
          "fp16 arithmetic on a CPU is 15 to 46 times slower than fp32; precision = \"bf16\" or "
          "\"fp32\" is for longer "
          "runs");
    }
    info(shown(settings_));
  }

  Settings settings_;
  std::unique_ptr<strata::Strategy> engine_;  // refers to settings_
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
