// Unit events from autograd hooks.
#include "unit/tracker.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full_like.h>
#include <c10/util/SmallVector.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/variable.h>

#include "border/errors.hpp"
#include "unit/tracker_parts.hpp"

namespace strata::unit {

// The one hook of a tensor: first what ends with its gradient (units it entered), then what begins (units it left).
struct TensorHook {
  using Passes = c10::SmallVector<Pass*, 2>;

  Tracker* tracker;  // null once the iteration is over, and its passes gone
  Passes consumers;
  Passes producers;

  void fire() {
    if (tracker == nullptr) {
      return;
    }
    Tracker& t = *tracker;
    for (Pass* pass : consumers) {
      t.input_fired(*pass);
    }
    for (Pass* pass : producers) {
      t.output_fired(*pass);
    }
  }
};

// On the node whose gradient it waits for. Tensor::register_hook makes a list and two functions more for the same.
struct NodeHook final : torch::autograd::FunctionPreHook {
  explicit NodeHook(std::shared_ptr<TensorHook> h) : hook(std::move(h)) {}

  torch::autograd::variable_list operator()(const torch::autograd::variable_list& grads) override {
    hook->fire();
    return grads;
  }

  std::shared_ptr<TensorHook> hook;
};

// A tensor's hook, with a weak reference that keeps its address from being given to another tensor.
struct Tracker::Record {
  c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl> pin;
  TensorHook* hook;
  int64_t version;  // of the tensor when the hook was set
};

struct AccumulateHook final : torch::autograd::PostAccumulateGradHook {
  AccumulateHook(Tracker* owner, int32_t id) : tracker(owner), param(id) {}

  void operator()(const at::Tensor&) override { tracker->accumulated(param); }

  Tracker* tracker;
  int32_t param;
};

Tracker::Tracker(Model& model,
                 const border::Object<strata_strategy_api>& strategy,
                 const std::vector<strata_unit_plan>& plan)
    : model_(model), strategy_(strategy), units_(plan.size()) {
  for (size_t i = 0; i < plan.size(); ++i) {
    units_[i].owner = owner_of(plan, model.units(), static_cast<int32_t>(i));
    units_[i].events = plan[static_cast<size_t>(units_[i].owner)].events;
  }
  for (const Param& p : model.params()) {
    const int32_t owner = units_[static_cast<size_t>(p.unit)].owner;
    param_unit_.push_back(owner);
    units_[static_cast<size_t>(owner)].trainable += p.tensor.requires_grad() ? 1 : 0;
  }
  install_accumulate_hooks();
}

Tracker::~Tracker() {
  drop_records();
  for (const Param& p : model_.params()) {
    torch::autograd::impl::set_post_acc_grad_hooks(p.tensor, nullptr);
  }
}

void Tracker::install_accumulate_hooks() {
  for (size_t i = 0; i < model_.params().size(); ++i) {
    const at::Tensor& tensor = model_.params()[i].tensor;
    if (tensor.requires_grad()) {
      torch::autograd::impl::set_post_acc_grad_hooks(
          tensor, std::make_unique<AccumulateHook>(this, static_cast<int32_t>(i)));
    }
  }
}

void Tracker::begin(strata_step_ctx* ctx) {
  drop_records();
  ctx_ = ctx;
  next_pass_ = 0;
}

bool Tracker::wants(int32_t unit, uint32_t event) const {
  return (units_[static_cast<size_t>(unit)].events & event) != 0;
}

template <class Slot>
void Tracker::send(Slot strata_strategy_api::* slot, int32_t unit) {
  const FlagScope flags(*ctx_, current_task() != -1 ? uint32_t{STRATA_CTX_RECOMPUTE} : 0U);
  in_unit(unit, [&] { strategy_.call(slot, unit, static_cast<const strata_step_ctx*>(ctx_)); });
}

template <class Call>
void Tracker::in_unit(int32_t unit, const Call& call) const {
  try {
    call();
  } catch (Error& e) {
    const std::string& name = model_.units()[static_cast<size_t>(unit)].name;
    e.add_context(text("in ",
                       strategy_.type(),
                       ", unit \"",
                       name.empty() ? "(root)" : name,
                       "\", iteration ",
                       ctx_->iter));
    throw;
  }
}

// --- forward --------------------------------------------------------------------------------------------------------

Pass* Tracker::open_pass(int32_t unit) {
  UnitState& state = units_[static_cast<size_t>(unit)];
  const int task = current_task();
  if (state.open == nullptr || state.open->task != -1 || state.open->closed ||
      state.open->creator != task) {
    state.open = state.passes.emplace_back(std::make_unique<Pass>()).get();
    state.open->unit = unit;
    state.open->id = next_pass_++;
    state.open->creator = task;
    state.open->params_left = state.trainable;
  }
  return state.open;
}

void Tracker::enter(int32_t unit, at::Tensor** inputs, size_t n) {
  if (ctx_ == nullptr || units_[static_cast<size_t>(unit)].owner != unit ||
      units_[static_cast<size_t>(unit)].events == 0) {
    return;
  }
  if (model_.casts_inputs() && unit != 0) {
    cast_to(model_.input_cast(unit).dtype, inputs, n);
  }
  UnitState& state = units_[static_cast<size_t>(unit)];
  const bool grads = at::GradMode::is_enabled() && (ctx_->flags & STRATA_CTX_EVAL) == 0;
  Pass* pass = nullptr;
  if (grads) {
    pass = open_pass(unit);
    for (size_t i = 0; i < n; ++i) {
      watch_input(*inputs[i], pass);
    }
  }
  state.entered.push_back(pass);
  if (wants(unit, STRATA_EVENT_PRE_FORWARD)) {
    send(&strata_strategy_api::pre_forward, unit);
  }
}

void Tracker::leave(int32_t unit, at::Tensor** outputs, size_t n, bool failed) {
  UnitState& state = units_[static_cast<size_t>(unit)];
  if (ctx_ == nullptr || state.owner != unit || state.events == 0 || state.entered.empty()) {
    return;
  }
  Pass* const pass = state.entered.back();
  state.entered.pop_back();
  if (failed) {
    const FlagScope flags(*ctx_, STRATA_CTX_ERROR);
    if (wants(unit, STRATA_EVENT_POST_FORWARD)) {
      send(&strata_strategy_api::post_forward, unit);
    }
    return;
  }
  if (pass != nullptr) {
    for (size_t i = 0; i < n; ++i) {
      watch_output(*outputs[i], pass);
    }
  }
  if (wants(unit, STRATA_EVENT_POST_FORWARD)) {
    send(&strata_strategy_api::post_forward, unit);
  }
}

// A hook stays where the tensor's history was when it was set. After a change in place it is one for an earlier tensor.
TensorHook* Tracker::current_hook(const at::Tensor& tensor) const {
  const auto known = records_.find(tensor.unsafeGetTensorImpl());
  return known != records_.end() && known->second.version == tensor._version() ? known->second.hook
                                                                               : nullptr;
}

TensorHook& Tracker::hook_on(const at::Tensor& tensor) {
  if (TensorHook* current = current_hook(tensor)) {
    return *current;
  }
  const auto hook = std::make_shared<TensorHook>(TensorHook{this, {}, {}});
  if (const auto& node = tensor.grad_fn()) {
    node->add_tensor_pre_hook(std::make_unique<NodeHook>(hook));
  } else {
    tensor.register_hook([hook](const at::Tensor&) { hook->fire(); });
  }
  hooks_.push_back(hook);
  records_.insert_or_assign(
      tensor.unsafeGetTensorImpl(),
      Record{decltype(Record::pin)(tensor.getIntrusivePtr()), hook.get(), tensor._version()});
  return *hook;
}

void Tracker::watch_input(at::Tensor& tensor, Pass* pass) {
  if (!tensor.defined() || !tensor.requires_grad()) {
    return;
  }
  if (tensor.is_leaf() && tensor.grad_fn() == nullptr &&
      torch::autograd::impl::post_acc_grad_hooks(tensor) != nullptr) {
    return;  // a parameter passed as an argument: its accumulation is watched anyway
  }
  const at::Tensor base = base_of(tensor);
  const TensorHook* known = current_hook(base);
  ++pass->inputs_left;
  if (known == nullptr || known->consumers.empty()) {
    hook_on(base).consumers.push_back(pass);
    return;
  }
  // Second consumer: a view of its own, so that its end does not wait for the first one's.
  tensor = tensor.view_as(tensor);
  hook_on(tensor).consumers.push_back(pass);
}

void Tracker::watch_output(const at::Tensor& tensor, Pass* pass) {
  if (!tensor.defined() || !tensor.requires_grad()) {
    return;
  }
  const at::Tensor base = base_of(tensor);
  if (!base.is_leaf()) {
    hook_on(base).producers.push_back(pass);
  }
}

// --- backward -------------------------------------------------------------------------------------------------------

void Tracker::backward(const at::Tensor& loss, double factor) {
  torch::autograd::backward({loss}, {at::full_like(loss.detach(), factor)});
  sweep();
  strategy_.call(&strata_strategy_api::backward_done, static_cast<const strata_step_ctx*>(ctx_));
  drop_records();
}

void Tracker::output_fired(Pass& pass) {
  if (pass.closed) {
    return;
  }
  if (pass.task == -1) {
    pass.task = current_task();
    if (wants(pass.unit, STRATA_EVENT_PRE_BACKWARD)) {
      send(&strata_strategy_api::pre_backward, pass.unit);
    }
  }
}

void Tracker::input_fired(Pass& pass) {
  --pass.inputs_left;
  close_if_done(pass);
}

void Tracker::accumulated(int32_t param) {
  Param& p = model_.params()[static_cast<size_t>(param)];
  p.touched = true;
  const int32_t unit = param_unit_[static_cast<size_t>(param)];
  UnitState& state = units_[static_cast<size_t>(unit)];
  if (ctx_ == nullptr || state.events == 0) {
    return;
  }
  if (wants(unit, STRATA_EVENT_GRAD_READY)) {
    strategy_.call(
        &strata_strategy_api::grad_ready, param, static_cast<const strata_step_ctx*>(ctx_));
  }
  Pass* const pass = pass_of(state, current_task());
  if (pass == nullptr) {
    // Used outside its unit's forward: the sweep reports the gradient.
    state.open = nullptr;
    Pass* const late = open_pass(unit);
    late->task = current_task();
    late->any_grad = true;
    return;
  }
  pass->any_grad = true;
  if (pass->task != -1 && pass->task != current_task()) {
    return;  // from a part of the unit that runs again: more may come, so the sweep ends this pass
  }
  pass->task = current_task();
  if (--pass->params_left == 0) {
    grads_ready(*pass);
  }
  close_if_done(*pass);
}

// The pass that a gradient belongs to: the newest of the same engine pass, or not begun. When a part of the unit was
// recomputed, its backward is an engine pass of its own inside that of the whole unit, which it then belongs to.
Pass* Tracker::pass_of(const UnitState& state, int task) {
  Pass* around = nullptr;
  for (auto it = state.passes.rbegin(); it != state.passes.rend(); ++it) {
    Pass* const pass = it->get();
    if (!pass->closed && (pass->task == task || pass->task == -1)) {
      return pass;
    }
    if (!pass->closed && pass->creator == -1 && around == nullptr) {
      around = pass;
    }
  }
  return around;
}

void Tracker::grads_ready(Pass& pass) {
  if (pass.reduced || !pass.any_grad) {
    return;
  }
  pass.reduced = true;
  if (wants(pass.unit, STRATA_EVENT_UNIT_GRADS_READY)) {
    in_unit(pass.unit, [&] {
      strategy_.call(&strata_strategy_api::unit_grads_ready,
                     pass.unit,
                     pass.id,
                     static_cast<const strata_step_ctx*>(ctx_));
    });
  }
}

void Tracker::close_if_done(Pass& pass) {
  if (!pass.closed && pass.task != -1 && pass.inputs_left == 0 && pass.params_left == 0) {
    close(pass);
  }
}

void Tracker::close(Pass& pass) {
  pass.closed = true;
  grads_ready(pass);
  if (wants(pass.unit, STRATA_EVENT_POST_BACKWARD)) {
    send(&strata_strategy_api::post_backward, pass.unit);
  }
}

// Ends what the rule did not: units with unused parameters, inputs without gradient, frozen embeddings.
void Tracker::sweep() {
  std::vector<Pass*> left;
  for (const UnitState& state : units_) {
    for (const auto& pass : state.passes) {
      if (!pass->closed && pass->task != -1) {
        left.push_back(pass.get());
      }
    }
  }
  std::ranges::sort(left, [](const Pass* a, const Pass* b) { return a->id > b->id; });
  for (Pass* pass : left) {
    close(*pass);
  }
}

void Tracker::drop_records() {
  for (const auto& hook : hooks_) {
    hook->tracker = nullptr;
  }
  hooks_.clear();
  records_.clear();
  for (UnitState& state : units_) {
    state.open = nullptr;
    state.passes.clear();
    state.entered.clear();
  }
}

void Tracker::abort() noexcept {
  drop_records();
  if (ctx_ != nullptr) {
    const FlagScope flags(*ctx_, STRATA_CTX_ERROR);
    if (strategy_.has(&strata_strategy_api::abort_iter)) {
      strategy_.api().abort_iter(strategy_.self(), ctx_);
    }
  }
  for (Param& p : model_.params()) {
    p.touched = true;  // whatever was accumulated must go
  }
  model_.zero_grad();
}

}  // namespace strata::unit
