// Small parts of the tracker: what it asks autograd and a strategy's plan.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/graph_task.h>

#include "strata/abi/strategy.h"
#include "strata/cpp/error.hpp"

#include "unit/model.hpp"

namespace strata::unit {

// A hook on a view is lost when the view is changed in place: the base is what is hooked.
inline at::Tensor base_of(const at::Tensor& tensor) {
  return tensor.is_view() ? at::Tensor(tensor._base()) : tensor;
}

inline int current_task() {
  return torch::autograd::get_current_graph_task_id();
}

inline int32_t owner_of(const std::vector<strata_unit_plan>& plan,
                        const std::vector<Unit>& units,
                        int32_t unit) {
  const int32_t owner = plan[static_cast<size_t>(unit)].owner;
  int32_t up = unit;
  while (up != owner && up >= 0) {
    up = units[static_cast<size_t>(up)].parent;
  }
  if (up < 0 || plan[static_cast<size_t>(owner)].owner != owner) {
    throw Error(STRATA_E_ARGUMENT,
                text("the strategy joins unit \"",
                     units[static_cast<size_t>(unit)].name,
                     "\" into unit ",
                     owner,
                     ", which is no unjoined ancestor of it"));
  }
  return owner;
}

inline void cast_to(at::ScalarType dtype, at::Tensor** tensors, size_t n) {
  for (size_t i = 0; dtype != at::ScalarType::Undefined && i < n; ++i) {
    if (tensors[i]->defined() && tensors[i]->is_floating_point()) {
      *tensors[i] = tensors[i]->to(dtype);
    }
  }
}

// Sets flags for the life of one call.
class FlagScope {
 public:
  FlagScope(strata_step_ctx& ctx, uint32_t flags) : ctx_(ctx), before_(ctx.flags) {
    ctx.flags |= flags;
  }

  FlagScope(const FlagScope&) = delete;
  FlagScope& operator=(const FlagScope&) = delete;

  ~FlagScope() { ctx_.flags = before_; }

 private:
  strata_step_ctx& ctx_;
  uint32_t before_;
};

}  // namespace strata::unit
