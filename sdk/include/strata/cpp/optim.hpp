// Base classes of optimizers, optimizer wrappers and parameter schedulers.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "strata/abi/optim.h"
#include "strata/cpp/plugin.hpp"

namespace strata {

/// Updates flat memory from flat gradients. Stateless apart from its configuration: the host keeps the state elements,
/// the hyper-parameters of each group and the step counts.
class STRATA_HIDDEN Optimizer : public Component {
 public:
  using KindBase = Optimizer;

  /// Views must live as long as the object.
  [[nodiscard]] virtual std::span<const strata_hyper> hypers() const = 0;
  [[nodiscard]] virtual std::span<const strata_optim_state> states() const = 0;

  /// STRATA_OPTIM_* that hold for this type.
  [[nodiscard]] virtual uint32_t flags() const { return 0; }

  /// Sums over a whole parameter that step() finds in its chunks; prepare() gives their terms.
  [[nodiscard]] virtual uint32_t sums() const { return 0; }

  /// Element-wise: the same bits however a parameter is cut into chunks.
  virtual void step(const strata_optim_step_args& args) = 0;

  /// Before step(), with sums() above 0: out[chunk][sum] of the chunks' own elements. May change states, not values.
  virtual void prepare(const strata_optim_step_args&, double* /*out*/) {
    throw Error(STRATA_E_UNSUPPORTED, "prepare of an optimizer without sums");
  }
};

/// Runs one iteration's loss scaling and, at the end of an accumulation window, the update.
class STRATA_HIDDEN OptimWrapper : public Component {
 public:
  using KindBase = OptimWrapper;

  struct Window {
    int32_t micro;    ///< index of the iteration in its window
    int32_t n_micro;  ///< iterations of that window
  };

  virtual void begin(const strata_wrapper_begin_args&) {}

  virtual void context_enter(const strata_step_ctx&) {}

  virtual void context_exit(const strata_step_ctx&) {}

  [[nodiscard]] virtual Window window(int64_t iter) const = 0;
  [[nodiscard]] virtual double loss_factor(const strata_step_ctx& ctx) = 0;
  virtual void step(const strata_step_ctx& ctx, strata_step_result& out) = 0;

  virtual std::string save() { return {}; }

  virtual void load(std::string_view) {}
};

/// Moves one hyper-parameter along a schedule.
class STRATA_HIDDEN ParamScheduler : public Component {
 public:
  using KindBase = ParamScheduler;

  /// Texts in the description must live as long as the object.
  [[nodiscard]] virtual strata_scheduler_desc describe() const = 0;
  virtual double value(const strata_scheduler_args& args) = 0;

  virtual std::string save() { return {}; }

  virtual void load(std::string_view) {}
};

namespace detail {

template <class Base>
struct StateThunks {
  static strata_rc save(void* p, const strata_text_sink* out) {
    return guarded(
        [&] { check(out->put(out->ctx, view(std::string_view(static_cast<Base*>(p)->save())))); });
  }

  static strata_rc load(void* p, strata_str json) {
    return guarded([&] { static_cast<Base*>(p)->load(view(json)); });
  }
};

struct STRATA_HIDDEN OptimizerThunks {
  static strata_rc describe(void* p, strata_optimizer_caps* out) {
    return guarded([&] {
      const auto& self = *static_cast<Optimizer*>(p);
      const auto hypers = self.hypers();
      const auto states = self.states();
      *out = {STRATA_HDR(strata_optimizer_caps),
              hypers.data(),
              hypers.size(),
              states.data(),
              states.size(),
              self.flags(),
              self.sums()};
    });
  }

  static strata_rc step(void* p, const strata_optim_step_args* args) {
    return guarded([&] { static_cast<Optimizer*>(p)->step(*args); });
  }

  static strata_rc prepare(void* p, const strata_optim_step_args* args, double* sums) {
    return guarded([&] { static_cast<Optimizer*>(p)->prepare(*args, sums); });
  }
};

template <>
struct KindOf<Optimizer> {
  static constexpr const char* kName = STRATA_KIND_OPTIMIZER;

  static const void* table() {
    static const strata_optimizer_api api = {ObjectThunks<Optimizer>::head<strata_optimizer_api>(),
                                             &OptimizerThunks::describe,
                                             &OptimizerThunks::step,
                                             &OptimizerThunks::prepare};
    return &api;
  }
};

struct STRATA_HIDDEN OptimWrapperThunks {
  static OptimWrapper& self(void* p) { return *static_cast<OptimWrapper*>(p); }

  static strata_rc begin(void* p, const strata_wrapper_begin_args* args) {
    return guarded([&] { self(p).begin(*args); });
  }

  static strata_rc context_enter(void* p, const strata_step_ctx* ctx) {
    return guarded([&] { self(p).context_enter(*ctx); });
  }

  static strata_rc context_exit(void* p, const strata_step_ctx* ctx) {
    return guarded([&] { self(p).context_exit(*ctx); });
  }

  static strata_rc window(void* p, int64_t iter, int32_t* micro, int32_t* n_micro) {
    return guarded([&] {
      const OptimWrapper::Window w = self(p).window(iter);
      *micro = w.micro;
      *n_micro = w.n_micro;
    });
  }

  static strata_rc loss_factor(void* p, const strata_step_ctx* ctx, double* out) {
    return guarded([&] { *out = self(p).loss_factor(*ctx); });
  }

  static strata_rc step(void* p, const strata_step_ctx* ctx, strata_step_result* out) {
    return guarded([&] {
      strata_step_result result = {STRATA_HDR(strata_step_result), NAN, 1.0, 0, 0};
      self(p).step(*ctx, result);
      *out = result;
    });
  }
};

template <>
struct KindOf<OptimWrapper> {
  static constexpr const char* kName = STRATA_KIND_OPTIM_WRAPPER;

  static const void* table() {
    using T = OptimWrapperThunks;
    static const strata_optim_wrapper_api api = {
        ObjectThunks<OptimWrapper>::head<strata_optim_wrapper_api>(),
        &T::begin,
        &T::context_enter,
        &T::context_exit,
        &T::window,
        &T::loss_factor,
        &T::step,
        &StateThunks<OptimWrapper>::save,
        &StateThunks<OptimWrapper>::load};
    return &api;
  }
};

struct STRATA_HIDDEN SchedulerThunks {
  static strata_rc describe(void* p, strata_scheduler_desc* out) {
    return guarded([&] { *out = static_cast<ParamScheduler*>(p)->describe(); });
  }

  static strata_rc value(void* p, const strata_scheduler_args* args, double* out) {
    return guarded([&] { *out = static_cast<ParamScheduler*>(p)->value(*args); });
  }
};

template <>
struct KindOf<ParamScheduler> {
  static constexpr const char* kName = STRATA_KIND_PARAM_SCHEDULER;

  static const void* table() {
    static const strata_param_scheduler_api api = {
        ObjectThunks<ParamScheduler>::head<strata_param_scheduler_api>(),
        &SchedulerThunks::describe,
        &SchedulerThunks::value,
        &StateThunks<ParamScheduler>::save,
        &StateThunks<ParamScheduler>::load};
    return &api;
  }
};

}  // namespace detail
}  // namespace strata
