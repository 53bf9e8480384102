// Losses that several models share.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cross_entropy_loss.h>

#include "strata/cpp/host.hpp"

namespace strata {

/// Mean cross entropy, in float32 at least. logits: [batch, classes]; label: integers [batch].
STRATA_HIDDEN inline at::Tensor classification_loss(const at::Tensor& logits,
                                                    const at::Tensor& label) {
  const bool reduced = at::isReducedFloatingType(logits.scalar_type());
  return at::cross_entropy_loss(reduced ? logits.to(at::kFloat) : logits, label.to(at::kLong));
}

}  // namespace strata
