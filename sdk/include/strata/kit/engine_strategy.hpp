// A strategy whose work is done by another one that its configuration chooses.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "strata/cpp/strategy.hpp"

namespace strata::kit {

/// Derive and override what comes before the engine: contributions, estimate variants, reports. Events, views and state are
/// the engine's. An override of setup_env() or estimate() ends with this one's.
template <class Settings>
class STRATA_HIDDEN EngineStrategy : public Strategy {
 public:
  [[nodiscard]] strata_strategy_caps describe() const override { return engine_->describe(); }

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    engine_->estimate(args, out);
  }

  void setup_env(const strata_setup_args& args) override {
    engine_->attach(runtime());
    engine_->setup_env(args);
  }

  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override {
    engine_->plan_units(model, plan);
  }

  void materialize(int32_t unit) override { engine_->materialize(unit); }

  void materialize_done() override { engine_->materialize_done(); }

  void optim_views(const OptimViewSink& out) override { engine_->optim_views(out); }

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

 protected:
  /// make_engine: from the settings to a std::unique_ptr<Strategy>, which may refer to them.
  template <class MakeEngine>
  EngineStrategy(Settings settings, const MakeEngine& make_engine)
      : settings_(std::move(settings)), engine_(make_engine(settings_)) {}

  [[nodiscard]] const Settings& settings() const { return settings_; }

 private:
  Settings settings_;
  std::unique_ptr<Strategy> engine_;
};

}  // namespace strata::kit
