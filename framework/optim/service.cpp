// The C table over the runtime's updater.
#include "optim/updater.hpp"

namespace strata::optim {
namespace {

Updater& of(strata_runtime* rt) {
  if (rt == nullptr || rt->update == nullptr) {
    throw Error(STRATA_E_ARGUMENT, "strata.update/1 was called in a run that does not train");
  }
  return *rt->update;
}

strata_rc unscale(strata_runtime* rt, double factor, int32_t* found_inf) {
  return border::guarded([&] { *found_inf = of(rt).unscale(factor) ? 1 : 0; });
}

strata_rc grad_norm(strata_runtime* rt, double p, double* out) {
  return border::guarded([&] { *out = of(rt).grad_norm(p); });
}

strata_rc scale_grads(strata_runtime* rt, double factor) {
  return border::guarded([&] { of(rt).scale_grads(factor); });
}

strata_rc clamp_grads(strata_runtime* rt, double limit) {
  return border::guarded([&] { of(rt).clamp_grads(limit); });
}

strata_rc optimizer_step(strata_runtime* rt) {
  return border::guarded([&] { of(rt).optimizer_step(); });
}

strata_rc add_state(strata_runtime* rt, strata_str name, uint32_t flags) {
  return border::guarded(
      [&] { of(rt).add_state(border::view(name), (flags & STRATA_STATE_BUFFERS) != 0); });
}

strata_rc stretches(strata_runtime* rt, strata_str state, const strata_stretch_sink* out) {
  return border::guarded([&] { of(rt).put_stretches(border::view(state), *out); });
}

strata_rc buffers(strata_runtime* rt, const strata_stretch_sink* out) {
  return border::guarded([&] { of(rt).put_buffers(*out); });
}

strata_rc values_changed(strata_runtime* rt) {
  return border::guarded([&] { of(rt).values_changed(); });
}

}  // namespace

const strata_update_api* update_service() {
  static const strata_update_api api = {STRATA_HDR(strata_update_api),
                                        &unscale,
                                        &grad_norm,
                                        &scale_grads,
                                        &clamp_grads,
                                        &optimizer_step,
                                        &add_state,
                                        &stretches,
                                        &buffers,
                                        &values_changed};
  return &api;
}

}  // namespace strata::optim
