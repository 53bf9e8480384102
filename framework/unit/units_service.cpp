// The table by which the SDK's unit holder and layers reach the tracker.
#include "border/errors.hpp"
#include "unit/model.hpp"
#include "unit/tracker.hpp"

namespace strata::unit {
namespace {

strata_rc enter_unit(strata_runtime* rt, int32_t unit, strata_native_tensor** inputs, uint64_t n) {
  return border::guarded(
      [&] { rt->tracker->enter(unit, reinterpret_cast<at::Tensor**>(inputs), n); });
}

strata_rc leave_unit(
    strata_runtime* rt, int32_t unit, strata_native_tensor** outputs, uint64_t n, int32_t failed) {
  return border::guarded(
      [&] { rt->tracker->leave(unit, reinterpret_cast<at::Tensor**>(outputs), n, failed != 0); });
}

strata_group* batch_norm_group(strata_runtime* rt) {
  return rt->batch_norm_group;
}

int32_t checkpointed(strata_runtime* rt, int32_t unit) {
  return rt->model->recomputed(unit) ? 1 : 0;
}

}  // namespace

const strata_units_api* units_service() {
  static const strata_units_api api = {
      STRATA_HDR(strata_units_api), &enter_unit, &leave_unit, &batch_norm_group, &checkpointed};
  return &api;
}

}  // namespace strata::unit
