// Activation checkpointing: a forward that keeps its inputs alone and runs again in backward.
// Chen et al. 2016, in the reentrant form: the second run has a backward of its own.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "strata/cpp/host.hpp"
#include "strata/torch/tensors_in.hpp"

namespace strata::detail {

STRATA_HIDDEN inline bool& second_run() {
  thread_local bool running = false;
  return running;
}

/// Sets a value for the life of a scope.
template <class T>
class STRATA_HIDDEN ValueScope {
 public:
  ValueScope(T& place, T value) : place_(place), before_(std::exchange(place, std::move(value))) {}

  ValueScope(const ValueScope&) = delete;
  ValueScope& operator=(const ValueScope&) = delete;

  ~ValueScope() { place_ = std::move(before_); }

 private:
  T& place_;
  T before_;
};

/// Autocast as it is when this is made.
struct STRATA_HIDDEN AutocastState {
  bool enabled = at::autocast::is_autocast_enabled(at::kCPU);
  at::ScalarType dtype = at::autocast::get_autocast_dtype(at::kCPU);
  bool cache = at::autocast::is_autocast_cache_enabled();

  void set() const {
    at::autocast::set_autocast_enabled(at::kCPU, enabled);
    at::autocast::set_autocast_dtype(at::kCPU, dtype);
    at::autocast::set_autocast_cache_enabled(cache);
  }

  /// A cast of a weight that is made without gradients must not be found by a forward with them.
  [[nodiscard]] AutocastState without_cache() const {
    AutocastState out = *this;
    out.cache = false;
    return out;
  }
};

/// Sets a state for its life, and forgets the casts made in it.
class STRATA_HIDDEN AutocastScope {
 public:
  explicit AutocastScope(const AutocastState& state) {
    state.set();
    at::autocast::increment_nesting();
  }

  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) {
      at::autocast::clear_cache();
    }
    before_.set();
  }

 private:
  AutocastState before_;
};

STRATA_HIDDEN inline at::Tensor random_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

STRATA_HIDDEN inline void set_random_state(const at::Tensor& state) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

/// Draws of the CPU generator inside start at `state`, those after it go on as if there were none.
class STRATA_HIDDEN RandomScope {
 public:
  /// state: undefined where nothing was drawn.
  explicit RandomScope(const at::Tensor& state)
      : before_(state.defined() ? random_state() : at::Tensor()) {
    if (state.defined()) {
      set_random_state(state);
    }
  }

  RandomScope(const RandomScope&) = delete;
  RandomScope& operator=(const RandomScope&) = delete;

  ~RandomScope() {
    if (before_.defined()) {
      set_random_state(before_);
    }
  }

 private:
  at::Tensor before_;
};

/// What the second run needs beside the inputs.
struct STRATA_HIDDEN Rerun : torch::CustomClassHolder {
  using List = torch::autograd::variable_list;
  /// Outputs from inputs. keep: where the first run leaves its result, or nullptr.
  using Body = std::function<List(const List& inputs, void* keep)>;

  explicit Rerun(Body b) : body(std::move(b)) {}

  Body body;
  AutocastState autocast;
  at::Tensor random;  // the generator's state before the first run; undefined: it drew nothing
};

struct STRATA_HIDDEN RecomputeFn : torch::autograd::Function<RecomputeFn> {
  using Context = torch::autograd::AutogradContext;
  using List = torch::autograd::variable_list;

  /// inputs: the last one is a leaf that makes sure of a backward, for the parameters' sake.
  static List forward(Context* ctx,
                      at::TensorList inputs,
                      const c10::intrusive_ptr<Rerun>& rerun,
                      void* keep) {
    const List given(inputs.begin(), inputs.end() - 1);
    std::vector<int64_t> versions;
    for (const at::Tensor& t : given) {
      versions.push_back(t.defined() ? t._version() : 0);
    }
    const at::Tensor before = random_state();
    List outputs;
    {
      const AutocastScope autocast(rerun->autocast.without_cache());
      outputs = rerun->body(given, keep);
    }
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i].defined() && given[i]._version() != versions[i]) {
        throw Error(
            STRATA_E_UNSUPPORTED,
            "a unit that is recomputed in backward changes its input in place: it cannot run "
            "a second time; take it out of activation_checkpointing");
      }
    }
    if (!before.equal(random_state())) {
      rerun->random = before;
    }
    ctx->save_for_backward(given);
    ctx->saved_data["rerun"] = c10::IValue::make_capsule(rerun);
    drop_undefined(outputs);
    for (at::Tensor& t : outputs) {
      t = unviewed(t, given);
    }
    return outputs;
  }

  static List backward(Context* ctx, const List& grads) {
    if (at::GradMode::is_enabled()) {
      throw Error(STRATA_E_UNSUPPORTED,
                  "a unit that is recomputed in backward has no second derivative; call backward "
                  "without create_graph, or take it out of activation_checkpointing");
    }
    const auto capsule = ctx->saved_data["rerun"].toCapsule();
    const auto& rerun = static_cast<const Rerun&>(*capsule);
    List inputs = ctx->get_saved_variables();
    for (at::Tensor& t : inputs) {
      t = t.defined() ? t.detach().requires_grad_(t.requires_grad()) : t;
    }
    run_again(rerun, inputs, grads);
    List out;
    for (const at::Tensor& t : inputs) {
      out.push_back(t.defined() ? t.grad() : at::Tensor());
    }
    out.resize(out.size() + 3);  // the leaf, and what is no tensor
    return out;
  }

 private:
  static void run_again(const Rerun& rerun, const List& inputs, const List& grads) {
    List outputs;
    {
      const at::AutoGradMode with_graph(true);
      const AutocastScope autocast(rerun.autocast);
      const RandomScope random(rerun.random);
      const ValueScope<bool> mark(second_run(), true);
      outputs = rerun.body(inputs, nullptr);
    }
    drop_undefined(outputs);
    List from;
    List with;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].requires_grad() && grads[i].defined()) {
        from.push_back(outputs[i]);
        with.push_back(grads[i]);
      }
    }
    if (!from.empty()) {
      torch::autograd::backward(from, with);
    }
  }

  static void drop_undefined(List& list) {
    std::erase_if(list, [](const at::Tensor& t) { return !t.defined(); });
  }

  // What a function of autograd gives out as a view may not be changed in place, and hides its
  // history from hooks. A view of an input shares memory that must stay as it is: it is copied.
  static at::Tensor unviewed(const at::Tensor& t, const List& inputs) {
    if (!t.is_view()) {
      return t;
    }
    for (const at::Tensor& input : inputs) {
      if (input.defined() && t.is_alias_of(input)) {
        return t.clone();
      }
    }
    return t.variable_data();
  }
};

/// call(args...) whose intermediate results live in backward alone. Bits, gradients and draws are
/// those of the plain call. Arguments and result as UnitMark::between() takes them; the arguments are
/// kept until backward, and so must be what `call` refers to.
/// Errors: those of call; STRATA_E_UNSUPPORTED when it changes an input in place.
template <class Call, class... Args>
auto recomputed(const Call& call, Args... args) {
  using Result = std::invoke_result_t<const Call&, Args...>;
  std::tuple<Args...> held(std::move(args)...);
  Rerun::List inputs = take_tensors(held);
  auto body = [call, held](const Rerun::List& given, void* keep) {
    std::tuple<Args...> arguments = held;
    put_tensors(arguments, given);
    Result result = std::apply(call, std::move(arguments));
    Rerun::List outputs = copy_tensors(result);
    if (keep != nullptr) {
      static_cast<std::optional<Result>*>(keep)->emplace(std::move(result));
    }
    return outputs;
  };
  inputs.push_back(at::empty({0}).requires_grad_());
  std::optional<Result> result;
  const Rerun::List outputs = RecomputeFn::apply(at::TensorList(inputs),
                                                 c10::make_intrusive<Rerun>(std::move(body)),
                                                 static_cast<void*>(&result));
  put_defined(*result, outputs);
  return std::move(*result);
}

}  // namespace strata::detail

namespace strata {

/// Whether this thread runs a forward for the second time, in backward. What counts a forward
/// (running statistics) must not count it again.
STRATA_HIDDEN inline bool recomputing() {
  return detail::second_run();
}

}  // namespace strata
