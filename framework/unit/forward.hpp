// Runs a model's forward between the root unit's enter and leave, and sums its losses.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "unit/model.hpp"
#include "unit/tracker.hpp"

namespace strata::unit {

/// Tensors in order, by name.
using Fields = std::vector<std::pair<std::string, at::Tensor>>;

/// mode: STRATA_FORWARD_*. The batch's tensors may be replaced by views of themselves.
/// Errors: what the model or the strategy throws; the root unit is left either way.
Fields forward(Model& model, Tracker& tracker, int32_t mode, Fields batch);

/// What training reads of a model's outputs, as MMEngine's parse_losses: the mean of each, and as total the sum of those
/// whose names contain "loss".
struct Losses {
  at::Tensor total;  // a scalar with its graph
  Fields logged;     // detached scalars; "loss" (the total) comes first
};

/// Errors: no output's name contains "loss".
Losses parse_losses(const Fields& outputs);

}  // namespace strata::unit
