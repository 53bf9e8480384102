// What the updater keeps beside the values: states of the optimizer and of hooks.
#include <algorithm>

#include "strata/cpp/dtype.hpp"

#include "optim/updater.hpp"

namespace strata::optim {
namespace {

// Rules for a state's dtype.
constexpr int32_t kOfValue = -1;  // the value's, fp32 for half precisions
constexpr int32_t kSameAsValue = -2;

int64_t numel(const BufferSlot& slot) {
  int64_t n = 1;
  for (const int64_t size : slot.shape) {
    n *= size;
  }
  return n;
}

bool is_float(int32_t dtype) {
  return dtype == STRATA_F16 || dtype == STRATA_BF16 || dtype == STRATA_F32 || dtype == STRATA_F64;
}

void put(const strata_stretch_sink& out, const StateSlice& s) {
  const strata_stretch stretch = {STRATA_HDR(strata_stretch),
                                  border::view(s.param),
                                  s.data,
                                  s.param_offset,
                                  s.count,
                                  s.id,
                                  s.dtype};
  border::check(out.put(out.ctx, &stretch));
}

void put(const strata_stretch_sink& out, const BufferSlot& slot, void* data) {
  const strata_stretch stretch = {STRATA_HDR(strata_stretch),
                                  border::view(std::string_view(slot.name)),
                                  data,
                                  0,
                                  numel(slot),
                                  -1,
                                  slot.dtype};
  border::check(out.put(out.ctx, &stretch));
}

}  // namespace

Updater::~Updater() {
  for (const State& state : states_) {
    for (const auto* buffers : {&state.buffers, &state.slot_buffers}) {
      for (strata_buffer* buffer : *buffers) {
        services_.memory->buffer_free(buffer);
      }
    }
  }
}

void Updater::allocate_states() {
  strata_optimizer_caps caps{};
  caps.h = STRATA_HDR(strata_optimizer_caps);
  optimizer_.call(&strata_optimizer_api::describe, &caps);
  if (caps.n_states > STRATA_MAX_OPTIM_STATES) {
    throw Error(STRATA_E_ARGUMENT,
                text(optimizer_.type(),
                     " keeps ",
                     caps.n_states,
                     " states, at most ",
                     STRATA_MAX_OPTIM_STATES,
                     " are possible"));
  }
  for (uint64_t i = 0; i < caps.n_states; ++i) {
    State& state = states_.emplace_back();
    state.name = std::string(border::view(caps.states[i].name));
    state.dtype = caps.states[i].dtype;
    allocate(state);
  }
  own_states_ = states_.size();
}

void Updater::allocate(State& state) {
  for (const View& view : views_) {
    state.buffers.push_back(allocate_bytes(view.c.numel * float_bytes(state_dtype(state, view))));
  }
  for (const BufferSlot& slot : state.slots) {
    state.slot_buffers.push_back(allocate_bytes(numel(slot) * float_bytes(slot.dtype)));
  }
}

strata_buffer* Updater::allocate_bytes(int64_t bytes) {
  strata_buffer* buffer = nullptr;
  border::check(services_.memory->buffer_new(
      services_.runtime, bytes, STRATA_BUFFER_ZEROED, border::view("optim"), &buffer));
  return buffer;
}

int32_t Updater::state_dtype(const State& state, const View& view) const {
  switch (state.dtype) {
    case kSameAsValue:
      return view.c.value_dtype;
    case kOfValue:
      return view.c.value_dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32;
    default:
      return state.dtype;
  }
}

void Updater::add_state(std::string_view name, bool with_buffers) {
  const auto taken = [&](const State& state) { return state.name == name; };
  if (name.empty() || std::ranges::any_of(states_, taken)) {
    throw Error(STRATA_E_ARGUMENT,
                text("a state of the optimizer or of another hook is called \"",
                     name,
                     "\" already; a hook's state needs a name of its own"));
  }
  State state{std::string(name), kSameAsValue, {}, true, {}, {}};
  for (BufferSlot& slot : with_buffers&& buffers_ ? buffers_() : std::vector<BufferSlot>()) {
    if (is_float(slot.dtype)) {
      state.slots.push_back(std::move(slot));
    }
  }
  states_.push_back(std::move(state));
  allocate(states_.back());
}

const Updater::State& Updater::state_named(std::string_view name) const {
  const auto found =
      std::ranges::find_if(states_, [&](const State& state) { return state.name == name; });
  if (found == states_.end()) {
    throw Error(STRATA_E_NOT_FOUND, text("neither the optimizer nor a hook keeps \"", name, "\""));
  }
  return *found;
}

void Updater::for_each_state(const std::function<void(const StateSlice&)>& f) const {
  for (size_t p = 0; p < params_.size(); ++p) {
    for (const SegmentRef& ref : segments_[p]) {
      const View& view = views_[index(ref.view)];
      const strata_segment& s = view.segments[index(ref.segment)];
      for (const State& state : states_) {
        const int32_t dtype = state_dtype(state, view);
        std::byte* const data = memory_of(state.buffers[index(ref.view)], view, "optimizer state");
        f({static_cast<int32_t>(p),
           params_[p].name,
           state.name,
           dtype,
           s.param_offset,
           s.count,
           steps_[p],
           data + s.view_offset * float_bytes(dtype),
           state.of_hook});
      }
    }
  }
}

void Updater::for_each_value(const std::function<void(const StateSlice&)>& f) const {
  for (size_t p = 0; p < params_.size(); ++p) {
    for (const SegmentRef& ref : segments_[p]) {
      const View& view = views_[index(ref.view)];
      const strata_segment& s = view.segments[index(ref.segment)];
      auto* const data = static_cast<std::byte*>(services_.memory->data(view.c.value));
      if (data == nullptr) {
        throw run_error("the optimizer's value of ",
                        params_[p].name,
                        " is not in memory between two steps; the strategy must keep it there");
      }
      const int64_t at = view.c.value_offset + s.view_offset * float_bytes(view.c.value_dtype);
      f({static_cast<int32_t>(p),
         params_[p].name,
         {},
         view.c.value_dtype,
         s.param_offset,
         s.count,
         steps_[p],
         data + at,
         false});
    }
  }
}

std::vector<std::string> Updater::states() const {
  std::vector<std::string> out;
  out.reserve(states_.size());
  for (const State& state : states_) {
    out.push_back(state.name);
  }
  return out;
}

bool Updater::is_optional(std::string_view state) const {
  return state_named(state).of_hook;
}

std::vector<BufferState> Updater::buffer_states() const {
  std::vector<BufferState> out;
  for (const State& state : states_) {
    for (size_t i = 0; i < state.slots.size(); ++i) {
      const BufferSlot& slot = state.slots[i];
      void* const data = services_.memory->data(state.slot_buffers[i]);
      out.push_back({slot.name, state.name, slot.dtype, slot.shape, data});
    }
  }
  return out;
}

void Updater::put_stretches(std::string_view name, const strata_stretch_sink& out) const {
  if (name.empty()) {
    return for_each_value([&](const StateSlice& slice) { put(out, slice); });
  }
  const State& state = state_named(name);
  for_each_state([&](const StateSlice& slice) {
    if (slice.state == name) {
      put(out, slice);
    }
  });
  for (size_t i = 0; i < state.slots.size(); ++i) {
    put(out, state.slots[i], services_.memory->data(state.slot_buffers[i]));
  }
}

void Updater::put_buffers(const strata_stretch_sink& out) const {
  for (const BufferSlot& slot : buffers_ ? buffers_() : std::vector<BufferSlot>()) {
    put(out, slot, slot.data);
  }
}

void Updater::values_changed() const {
  if (strategy_ != nullptr && strategy_->has(&strata_strategy_api::values_changed)) {
    strategy_->call(&strata_strategy_api::values_changed);
  }
}

}  // namespace strata::optim
