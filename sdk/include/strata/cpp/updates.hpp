// Values that the optimizer updates, its states and those of hooks, as this rank holds them.
#pragma once

#include "strata/cpp/host.hpp"

namespace strata {

/// Read and written between iterations; cheap to copy. What each call asks for: strata_update_api.
/// Thread   [main], in a run that trains.
/// Errors   strata::Error with the host's code and words.
class STRATA_HIDDEN Updates {
 public:
  Updates() = default;

  explicit Updates(strata_runtime* rt) : rt_(rt) {}

  /// with_buffers: of the model's floating-point buffers as well.
  void add_state(std::string_view name, bool with_buffers = false) const {
    check(api().add_state(rt_, view(name), with_buffers ? uint32_t{STRATA_STATE_BUFFERS} : 0U));
  }

  /// Calls f(const strata_stretch&) for each stretch of a state, in one order; empty name: of the values.
  template <class F>
  void for_each_stretch(std::string_view state, const F& f) const {
    const strata_stretch_sink sink = sink_of(f);
    check(api().stretches(rt_, view(state), &sink));
  }

  /// The same for the model's persistent buffers, whole.
  template <class F>
  void for_each_buffer(const F& f) const {
    const strata_stretch_sink sink = sink_of(f);
    check(api().buffers(rt_, &sink));
  }

  /// After values were written to. Collective.
  void values_changed() const { check(api().values_changed(rt_)); }

 private:
  static const strata_update_api& api() { return service<strata_update_api>(); }

  template <class F>
  static strata_stretch_sink sink_of(const F& f) {
    return {const_cast<F*>(&f), [](void* ctx, const strata_stretch* stretch) {
              return guarded([&] { (*static_cast<const F*>(ctx))(*stretch); });
            }};
  }

  strata_runtime* rt_ = nullptr;
};

}  // namespace strata
