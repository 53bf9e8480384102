// Base class of strategies: override the events you need, ask the host for memory, parameters and collectives.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "strata/abi/estimate.h"
#include "strata/cpp/memory.hpp"
#include "strata/cpp/params.hpp"
#include "strata/cpp/plugin.hpp"

namespace strata {

/// The model as plan_units() gets it; valid for the whole run.
struct STRATA_HIDDEN ModelView {
  const strata_model_desc* c = nullptr;

  [[nodiscard]] std::span<const strata_unit_desc> units() const { return {c->units, c->n_units}; }

  [[nodiscard]] std::span<const strata_param_desc> params() const {
    return {c->params, c->n_params};
  }
};

/// Whether the parameter requires a gradient.
STRATA_HIDDEN inline bool is_trainable(const strata_param_desc& param) {
  return (param.flags & STRATA_PARAM_TRAINABLE) != 0;
}

/// A way to configure a strategy; see strata_variant_sink.
struct STRATA_HIDDEN EstimateVariant {
  std::string label;
  std::string toml;
};

/// Receives what the optimizer shall update; see strata_optim_view.
class STRATA_HIDDEN OptimViewSink {
 public:
  explicit OptimViewSink(const strata_optim_view_sink* sink) : sink_(sink) {}

  void put(const strata_optim_view& v) const { check(sink_->put(sink_->ctx, &v)); }

 private:
  const strata_optim_view_sink* sink_;
};

/// Decides where parameters, gradients and optimizer state live and what is sent when. Which thread calls what and what
/// each event means: strata/abi/strategy.h.
class STRATA_HIDDEN Strategy : public Component {
 public:
  using KindBase = Strategy;

  [[nodiscard]] virtual strata_strategy_caps describe() const {
    strata_strategy_caps caps = {};
    caps.h = STRATA_HDR(strata_strategy_caps);
    return caps;
  }

  virtual void contribute_config(const strata_config_sink&) {}

  /// Bytes of one rank, from the model's description alone.
  /// Errors: STRATA_E_UNSUPPORTED: there is no estimate, the default.
  virtual void estimate(const strata_estimate_args&, strata_estimate&) {
    throw Error(STRATA_E_UNSUPPORTED, "gives no estimate");
  }

  /// The rows that `strata estimate` has for this strategy.
  [[nodiscard]] virtual std::vector<EstimateVariant> estimate_variants() const { return {}; }

  /// One that overrides it asks this one as well.
  const void* get_extension(std::string_view id) override;

  virtual void setup_env(const strata_setup_args&) {}

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

  /// An exception that leaves it ends the process.
  virtual void abort_iter(const strata_step_ctx&) noexcept {}

  virtual void pre_step(const strata_step_ctx&) {}

  virtual void post_step(const strata_step_ctx&) {}

  /// Whether grad_norm() below is asked instead of the host's own sum over the views and their groups.
  [[nodiscard]] virtual bool shards_gradients() const { return false; }

  virtual double grad_norm(double) {
    throw Error(STRATA_E_UNSUPPORTED, "grad_norm() is not overridden");
  }

  virtual void scope_enter(std::span<const int32_t>, bool) {}

  virtual void scope_exit(std::span<const int32_t>, bool) {}

  virtual std::string save() { return {}; }

  virtual void load(std::string_view) {}

  virtual void stats(const strata_number_sink&) {}

  /// Values of the optimizer views were written to between steps: from now on forward computes with them, as after an
  /// update. Gradients stay. Collective.
  virtual void values_changed() {}
};

namespace detail {

struct STRATA_HIDDEN StrategyThunks {
  using Ctx = strata_step_ctx;

  static Strategy& self(void* p) { return *static_cast<Strategy*>(p); }

  static strata_rc describe(void* p, strata_strategy_caps* out) {
    return guarded([&] { *out = self(p).describe(); });
  }

  static strata_rc contribute(void* p, const strata_config_sink* out) {
    return guarded([&] { self(p).contribute_config(*out); });
  }

  static strata_rc estimate(void* p, const strata_estimate_args* args, strata_estimate* out) {
    return guarded([&] { self(p).estimate(*args, *out); });
  }

  static strata_rc setup_env(void* p, const strata_setup_args* args) {
    return guarded([&] { self(p).setup_env(*args); });
  }

  static strata_rc plan_units(void* p, const strata_model_desc* model, strata_unit_plan* plan) {
    return guarded([&] { self(p).plan_units(ModelView{model}, {plan, model->n_units}); });
  }

  static strata_rc materialize(void* p, int32_t unit) {
    return guarded([&] { self(p).materialize(unit); });
  }

  static strata_rc materialize_done(void* p) {
    return guarded([&] { self(p).materialize_done(); });
  }

  static strata_rc optim_views(void* p, const strata_optim_view_sink* out) {
    return guarded([&] { self(p).optim_views(OptimViewSink(out)); });
  }

  template <void (Strategy::*F)(const Ctx&)>
  static strata_rc at(void* p, const Ctx* ctx) {
    return guarded([&] { (self(p).*F)(*ctx); });
  }

  template <void (Strategy::*F)(int32_t, const Ctx&)>
  static strata_rc at_unit(void* p, int32_t id, const Ctx* ctx) {
    return guarded([&] { (self(p).*F)(id, *ctx); });
  }

  static strata_rc unit_grads_ready(void* p, int32_t unit, int32_t pass, const Ctx* ctx) {
    return guarded([&] { self(p).unit_grads_ready(unit, pass, *ctx); });
  }

  static void abort_iter(void* p, const Ctx* ctx) { self(p).abort_iter(*ctx); }

  static strata_rc grad_norm(void* p, double order, double* out) {
    if (!self(p).shards_gradients()) {
      return STRATA_E_UNSUPPORTED;  // the host computes it from the optim views
    }
    return guarded([&] { *out = self(p).grad_norm(order); });
  }

  template <void (Strategy::*F)(std::span<const int32_t>, bool)>
  static strata_rc scope(void* p, const int32_t* units, uint64_t n, int32_t writeback) {
    return guarded([&] { (self(p).*F)({units, n}, writeback != 0); });
  }

  static strata_rc save(void* p, const strata_text_sink* out) {
    return guarded([&] { check(out->put(out->ctx, view(std::string_view(self(p).save())))); });
  }

  static strata_rc load(void* p, strata_str json) {
    return guarded([&] { self(p).load(view(json)); });
  }

  static strata_rc stats(void* p, const strata_number_sink* out) {
    return guarded([&] { self(p).stats(*out); });
  }

  static strata_rc values_changed(void* p) {
    return guarded([&] { self(p).values_changed(); });
  }
};

STRATA_HIDDEN inline strata_rc list_estimate_variants(void* p, const strata_variant_sink* out) {
  return guarded([&] {
    for (const EstimateVariant& v : StrategyThunks::self(p).estimate_variants()) {
      check(out->put(out->ctx, view(std::string_view(v.label)), view(std::string_view(v.toml))));
    }
  });
}

template <>
struct KindOf<Strategy> {
  static constexpr const char* kName = STRATA_KIND_STRATEGY;

  static const void* table() {
    using T = StrategyThunks;
    using S = Strategy;
    static const strata_strategy_api api = {
        ObjectThunks<Strategy>::head<strata_strategy_api>(),
        &T::describe,
        &T::contribute,
        &T::estimate,
        &T::setup_env,
        &T::plan_units,
        &T::materialize,
        &T::materialize_done,
        &T::optim_views,
        &T::at<&S::iter_begin>,
        &T::at_unit<&S::pre_forward>,
        &T::at_unit<&S::post_forward>,
        &T::at_unit<&S::pre_backward>,
        &T::at_unit<&S::post_backward>,
        &T::unit_grads_ready,
        &T::at_unit<&S::grad_ready>,
        &T::at<&S::backward_done>,
        &T::at<&S::iter_end>,
        &T::abort_iter,
        &T::at<&S::pre_step>,
        &T::at<&S::post_step>,
        &T::grad_norm,
        &T::scope<&S::scope_enter>,
        &T::scope<&S::scope_exit>,
        &T::save,
        &T::load,
        &T::stats,
        &T::values_changed,
    };
    return &api;
  }
};

}  // namespace detail

inline const void* Strategy::get_extension(std::string_view id) {
  static const strata_estimate_variants_api variants = {STRATA_HDR(strata_estimate_variants_api),
                                                        &detail::list_estimate_variants};
  return id == STRATA_EXT_ESTIMATE_VARIANTS ? &variants : nullptr;
}

}  // namespace strata
