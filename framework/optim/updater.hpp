// The update: gradients as the strategy's views hold them, the optimizer's states, one call of the
// optimizer per step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/optim.h"
#include "strata/abi/services.h"

#include "border/object.hpp"
#include "border/runtime.hpp"
#include "optim/chunk_runner.hpp"
#include "optim/chunks.hpp"
#include "optim/crew.hpp"
#include "optim/gradients.hpp"
#include "optim/hypers.hpp"
#include "optim/views.hpp"

namespace strata::optim {

/// The host's tables that the updater calls. comm: nullptr for a single rank.
struct Services {
  const strata_memory_api* memory;
  const strata_param_api* param;
  const strata_comm_api* comm;
  strata_runtime* runtime;
};

/// A persistent buffer of the model, whole, in this rank's memory.
struct BufferSlot {
  std::string name;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
  void* data = nullptr;
};

/// What an updater is made of.
struct UpdaterParts {
  std::vector<View> views;
  std::vector<ParamSlot> params;  // all of the model, by number
  border::Object<strata_optimizer_api> optimizer;
  HyperTable hypers;
  const border::Object<strata_strategy_api>* strategy =
      nullptr;  // asked for grad_norm; outlives the updater
  std::function<std::vector<BufferSlot>()> buffers = {};  // as they are now; absent: there are none
  int threads = 1;  // that this rank may compute with; they do not change results
};

/// A piece of optimizer state, or of what the optimizer updates, borrowed: valid until the updater
/// ends.
struct StateSlice {
  int32_t id;  // the parameter's number
  std::string_view param;
  std::string_view state;  // empty: the value itself
  int32_t dtype;
  int64_t param_offset;  // elements into the flattened parameter
  int64_t count;
  int64_t step;  // updates of the parameter so far
  void* data;
  bool optional;  // a hook's state: a checkpoint may lack it, and keeps it without the optimizer's
};

/// A hook's state of a whole buffer, this rank's own. Always optional.
struct BufferState {
  std::string buffer;
  std::string state;
  int32_t dtype;
  std::vector<int64_t> shape;
  void* data;
};

/// One rank's updates. [main]
///
/// Parameters that backward did not reach, and frozen ones, are left alone: value, states and step
/// count.
class Updater {
 public:
  /// Allocates the states, zeroed, under the tag "optim".
  /// Errors: STRATA_E_ARGUMENT for views that contradict themselves.
  Updater(UpdaterParts parts, const Services& services);
  Updater(const Updater&) = delete;
  Updater& operator=(const Updater&) = delete;
  ~Updater();

  [[nodiscard]] HyperTable& hypers() { return hypers_; }

  [[nodiscard]] const HyperTable& hypers() const { return hypers_; }

  /// Before a wrapper's step: the gradients are as backward left them.
  void begin_step();

  // strata_update_api. Buffers of the views must be resident. Factors are kept and multiplied with where gradients are
  // read next, the optimizer's own pass included.
  /// Multiplies all gradients; true when any on any rank was inf or NaN. Collective.
  bool unscale(double factor);
  /// Asks the strategy if it knows; else sums over the groups of the views. Collective.
  [[nodiscard]] double grad_norm(double p);
  void scale_grads(double factor);
  void clamp_grads(double limit);
  void optimizer_step();
  void add_state(std::string_view name, bool with_buffers);
  /// Puts what strata_update_api.stretches() and buffers() give.
  void put_stretches(std::string_view state, const strata_stretch_sink& out) const;
  void put_buffers(const strata_stretch_sink& out) const;
  void values_changed() const;

  /// Calls f for every stretch of state on this rank, by parameter; f may write to data.
  void for_each_state(const std::function<void(const StateSlice&)>& f) const;
  /// The same for the values that the optimizer updates: fp32 masters where a strategy keeps them.
  /// Errors: STRATA_E_FAILED for a value that is not in memory.
  void for_each_value(const std::function<void(const StateSlice&)>& f) const;
  /// What hooks keep of buffers, by state. The data is theirs to read and write until the updater ends.
  [[nodiscard]] std::vector<BufferState> buffer_states() const;
  /// Names of the states, in the optimizer's order; those of hooks follow.
  [[nodiscard]] std::vector<std::string> states() const;
  /// Whether a hook keeps it. Errors: STRATA_E_NOT_FOUND.
  [[nodiscard]] bool is_optional(std::string_view state) const;
  /// Updates so far of a parameter. Errors: STRATA_E_NOT_FOUND.
  [[nodiscard]] int64_t steps(std::string_view param) const;
  void set_steps(std::string_view param, int64_t steps);

 private:
  struct State {
    std::string name;
    int32_t dtype = 0;                    // as the optimizer says, or a rule for it
    std::vector<strata_buffer*> buffers;  // per view
    bool of_hook = false;
    std::vector<BufferSlot> slots;             // model buffers it is kept of as well
    std::vector<strata_buffer*> slot_buffers;  // per slot; their memory
  };

  struct GroupSum {
    strata_group* group;  // over which the views are pieces; null: they are whole
    double total;
  };

  void allocate_states();
  void allocate(State& state);
  strata_buffer* allocate_bytes(int64_t bytes);
  [[nodiscard]] const State& state_named(std::string_view name) const;
  [[nodiscard]] int32_t state_dtype(const State& state, const View& view) const;
  void look_for_touched();
  [[nodiscard]] std::byte* memory_of(strata_buffer* buffer,
                                     const View& view,
                                     const char* what) const;
  [[nodiscard]] GradSpan grad_span(const View& view, const strata_segment& segment) const;
  void each_grad(const std::function<void(const GradSpan&)>& f);
  void apply_factor();
  [[nodiscard]] bool any_rank(bool here) const;
  [[nodiscard]] std::vector<GroupSum> power_sums(double p);
  [[nodiscard]] double view_norm(double p);
  [[nodiscard]] std::vector<strata_optim_chunk> fill_chunks() const;
  [[nodiscard]] std::vector<double> sums_of(std::span<const strata_optim_chunk> chunks,
                                            const StepNumbers& numbers) const;
  [[nodiscard]] size_t number_of(std::string_view param) const;

  Services services_;
  std::vector<View> views_;
  std::vector<ParamSlot> params_;
  border::Object<strata_optimizer_api> optimizer_;
  HyperTable hypers_;
  const border::Object<strata_strategy_api>* strategy_;
  std::function<std::vector<BufferSlot>()> buffers_;
  std::vector<std::vector<SegmentRef>> segments_;  // per parameter
  std::vector<State> states_;                      // the optimizer's first
  size_t own_states_ = 0;                          // of the optimizer
  std::vector<int64_t> steps_;                     // per parameter
  std::vector<uint8_t> touched_;                   // per parameter, as the plan was made for
  std::vector<Stretch> plan_;
  bool plan_valid_ = false;
  double factor_ = 1;          // of all gradients, not yet multiplied with
  bool known_finite_ = false;  // the gradients of this step, on this rank
  Crew crew_;
  ChunkRunner runner_;
};

/// Service "strata.update/1", on rt->update.
const strata_update_api* update_service();

}  // namespace strata::optim
