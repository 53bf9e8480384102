// Turns a model's unit boundaries and autograd's hooks into the events a strategy sees.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>

#include "strata/abi/model.h"
#include "strata/abi/strategy.h"

#include "border/object.hpp"
#include "unit/model.hpp"

namespace strata::unit {

struct TensorHook;

/// One backward pass over a unit: its calls of one forward (or of one recomputation), to the end of their backward.
struct Pass {
  int32_t unit = 0;
  int32_t id = 0;           // within the iteration
  int creator = -1;         // graph task inside which the forward ran; -1: outside backward
  int task = -1;            // graph task that runs its backward; -1: not begun
  int64_t inputs_left = 0;  // input hooks that have not fired
  int64_t params_left = 0;  // trainable parameters that have not accumulated in `task`
  bool any_grad = false;
  bool reduced = false;  // unit_grads_ready was sent
  bool closed = false;   // post_backward was sent
};

/// Events of one rank. [main] and the thread that runs backward, which is the same on a CPU.
///
/// When backward is done with a unit: all its input hooks fired *and* all its trainable parameters accumulated in the
/// same engine pass. Either alone is wrong: under reentrant recomputation an input is a leaf that outruns the weights; a
/// frozen weight never accumulates.
class Tracker {
 public:
  /// plan: one entry per unit, as the strategy filled it; joins must lead to an ancestor that is not joined.
  Tracker(Model& model,
          const border::Object<strata_strategy_api>& strategy,
          const std::vector<strata_unit_plan>& plan);
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  /// Begins an iteration (or an evaluation batch). ctx stays the caller's and must outlive the iteration.
  void begin(strata_step_ctx* ctx);
  /// Backward from loss times factor, then the sweep and backward_done.
  void backward(const at::Tensor& loss, double factor);
  /// Ends an iteration after a failure: drops all records, tells the strategy, clears gradients.
  void abort() noexcept;

  void enter(int32_t unit, at::Tensor** inputs, size_t n);
  void leave(int32_t unit, at::Tensor** outputs, size_t n, bool failed);

 private:
  struct UnitState {
    int32_t owner = 0;
    uint32_t events = 0;
    int64_t trainable = 0;
    Pass* open = nullptr;                       // takes further calls of the running forward
    std::vector<std::unique_ptr<Pass>> passes;  // of this iteration
    std::vector<Pass*> entered;                 // per nested call; null: no gradient will come
  };

  friend struct TensorHook;
  friend struct AccumulateHook;

  void install_accumulate_hooks();
  [[nodiscard]] bool wants(int32_t unit, uint32_t event) const;
  Pass* open_pass(int32_t unit);
  static Pass* pass_of(const UnitState& state, int task);
  void watch_input(at::Tensor& tensor, Pass* pass);
  void watch_output(const at::Tensor& tensor, Pass* pass);
  [[nodiscard]] TensorHook* current_hook(const at::Tensor& tensor) const;
  TensorHook& hook_on(const at::Tensor& tensor);
  void output_fired(Pass& pass);
  void input_fired(Pass& pass);
  void accumulated(int32_t param);
  void grads_ready(Pass& pass);
  void close_if_done(Pass& pass);
  void close(Pass& pass);
  void sweep();
  void drop_records();
  template <class Slot>
  void send(Slot strata_strategy_api::* slot, int32_t unit);
  template <class Call>
  void in_unit(int32_t unit, const Call& call) const;  // its errors name the unit and the iteration

  Model& model_;
  const border::Object<strata_strategy_api>& strategy_;
  std::vector<UnitState> units_;
  std::vector<int32_t> param_unit_;  // the unit a parameter's events belong to, after joining
  strata_step_ctx* ctx_ = nullptr;
  int32_t next_pass_ = 0;
  struct Record;
  std::unordered_map<const c10::TensorImpl*, Record> records_;  // the newest hook of each tensor
  std::vector<std::shared_ptr<TensorHook>> hooks_;              // all of this iteration
};

const strata_units_api* units_service();
const strata_autograd_api* autograd_service();

}  // namespace strata::unit
