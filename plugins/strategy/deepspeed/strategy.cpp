// DeepSpeedStrategy: its configuration, what that tells the rest of the run, and the engine that does the work.
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

class DeepSpeedStrategy final : public strata::Strategy {
 public:
  explicit DeepSpeedStrategy(const StrategyConfig& config)
      : loaded_(strata::deepspeed::load(config.table)),
        engine_(strata::deepspeed::make_engine(loaded_.config)) {}

  [[nodiscard]] strata_strategy_caps describe() const override { return engine_->describe(); }

  void contribute_config(const strata_config_sink& out) override {
    std::vector<std::string> notes;
    for (const Contribution& c :
         contributions(loaded_, BatchFacts{out.micro_batch_size, out.world_size}, notes)) {
      const auto put = c.yields ? out.put_default : out.put;
      strata::check(put(out.ctx, strata::view(c.key), strata::view(c.toml), strata::view(c.where)));
    }
  }

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    engine_->estimate(args, out);
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
  // What was contributed is repeated for its notes and its checks: only here are rank and log there.
  void report(const strata_setup_args& args) {
    std::vector<std::string> notes = loaded_.config.warnings;
    std::ignore = contributions(loaded_, BatchFacts{args.micro_batch_size, args.world_size}, notes);
    if (loaded_.config.fp16.enabled && args.device.type == STRATA_CPU) {
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
    info(shown(loaded_.config));
  }

  Loaded loaded_;
  std::unique_ptr<strata::Strategy> engine_;  // refers to loaded_.config
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
