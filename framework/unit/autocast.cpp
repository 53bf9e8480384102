// Autocast scopes and the batch-norm group, as strategies and wrappers switch them.
#include <utility>
#include <vector>

#include <ATen/autocast_mode.h>

#include "unit/tracker.hpp"

namespace strata::unit {
namespace {

struct AutocastState {
  bool enabled;
  at::ScalarType dtype;
};

// Autocast is a property of the thread in LibTorch, and ranks may be threads.
std::vector<AutocastState>& saved() {
  thread_local std::vector<AutocastState> stack;
  return stack;
}

strata_rc autocast_enter(strata_runtime*, int32_t dtype) {
  return border::guarded([&] {
    const at::ScalarType type = scalar_type(dtype);
    saved().push_back(
        {at::autocast::is_autocast_enabled(at::kCPU), at::autocast::get_autocast_dtype(at::kCPU)});
    at::autocast::set_autocast_enabled(at::kCPU, type != at::kFloat);
    if (type != at::kFloat) {
      at::autocast::set_autocast_dtype(at::kCPU, type);
    }
    at::autocast::increment_nesting();
  });
}

strata_rc autocast_exit(strata_runtime*) {
  return border::guarded([&] {
    if (saved().empty()) {
      throw Error(STRATA_E_ARGUMENT, "autocast_exit without autocast_enter");
    }
    // Casts of weights are cached: they are stale once parameters move.
    if (at::autocast::decrement_nesting() == 0) {
      at::autocast::clear_cache();
    }
    at::autocast::set_autocast_enabled(at::kCPU, saved().back().enabled);
    at::autocast::set_autocast_dtype(at::kCPU, saved().back().dtype);
    saved().pop_back();
  });
}

strata_rc set_batch_norm_sync(strata_runtime* rt, strata_group* group) {
  rt->batch_norm_group = group;
  return STRATA_OK;
}

strata_rc cast_inputs(
    strata_runtime* rt, int32_t unit, int32_t dtype, const strata_str* names, uint64_t n) {
  return border::guarded([&] {
    InputCast cast{scalar_type(dtype), {}};
    for (uint64_t i = 0; i < n; ++i) {
      cast.names.emplace_back(border::view(names[i]));
    }
    rt->model->cast_inputs(unit, std::move(cast));
  });
}

}  // namespace

const strata_autograd_api* autograd_service() {
  static const strata_autograd_api api = {STRATA_HDR(strata_autograd_api),
                                          &autocast_enter,
                                          &autocast_exit,
                                          &set_batch_norm_sync,
                                          &cast_inputs};
  return &api;
}

}  // namespace strata::unit
