// Memory for the parameters of a module that no host binds.
#pragma once

#include <ATen/ops/ones.h>
#include <torch/nn/module.h>

namespace strata::testing {

/// Gives every parameter memory of its own, filled with ones. Shared parameters stay shared.
inline void give_memory(torch::nn::Module& module) {
  for (const at::Tensor& p : module.parameters()) {
    p.set_data(at::ones(p.sizes(), p.options().requires_grad(false)));
  }
}

}  // namespace strata::testing
