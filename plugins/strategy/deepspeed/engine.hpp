// What moves parameters and gradients: the part of the strategy behind its configuration.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "strata/cpp/strategy.hpp"

#include "settings/config.hpp"

namespace strata::deepspeed {

/// One stage of ZeRO. Called as strata_strategy_api says, by the strategy alone. [main], events also [autograd]
class STRATA_HIDDEN Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  [[nodiscard]] virtual strata_strategy_caps describe() const = 0;
  virtual void estimate(const strata_estimate_args& args, strata_estimate& out) const = 0;
  /// runtime: of this rank, for all that follows.
  virtual void set_up(strata_runtime* runtime, const strata_setup_args& args) = 0;
  virtual void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) = 0;
  virtual void materialize(int32_t unit) = 0;

  virtual void materialize_done() {}

  virtual void optim_views(const OptimViewSink& out) = 0;

  virtual void iter_begin(const strata_step_ctx&) {}

  virtual void pre_forward(int32_t, const strata_step_ctx&) {}

  virtual void post_forward(int32_t, const strata_step_ctx&) {}

  virtual void pre_backward(int32_t, const strata_step_ctx&) {}

  virtual void post_backward(int32_t, const strata_step_ctx&) {}

  virtual void unit_grads_ready(int32_t, int32_t, const strata_step_ctx&) {}

  virtual void grad_ready(int32_t, const strata_step_ctx&) {}

  virtual void backward_done(const strata_step_ctx&) {}

  virtual void iter_end(const strata_step_ctx&) {}

  virtual void abort_iter(const strata_step_ctx&) noexcept {}

  virtual void pre_step(const strata_step_ctx&) {}

  virtual void post_step(const strata_step_ctx&) {}

  [[nodiscard]] virtual bool shards_gradients() const { return false; }

  virtual double grad_norm(double) {
    throw Error(STRATA_E_UNSUPPORTED, "grad_norm of an unsharded stage");
  }

  virtual void scope_enter(std::span<const int32_t>, bool) {}

  virtual void scope_exit(std::span<const int32_t>, bool) {}

  virtual std::string save() { return {}; }

  virtual void load(std::string_view) {}

  virtual void stats(const strata_number_sink&) {}
};

/// The engine for a configuration; config outlives it.
/// Errors: STRATA_E_CONFIG for what no engine does.
std::unique_ptr<Engine> make_engine(const DeepSpeedConfig& config);

}  // namespace strata::deepspeed
