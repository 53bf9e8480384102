// One iteration: forward, backward, and at the end of an accumulation window the update.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "strata/abi/optim.h"
#include "strata/abi/strategy.h"

#include "border/object.hpp"
#include "optim/updater.hpp"
#include "unit/forward.hpp"
#include "unit/model.hpp"
#include "unit/tracker.hpp"

namespace strata::train {

/// What an iteration leaves for hooks and logs.
struct IterReport {
  std::vector<std::pair<std::string, double>> values;  // the losses of this rank; "loss" first
  bool updated = false;                                // an accumulation window ended
  strata_step_result result{};                         // of its update
};

/// The parts an iteration runs through. Borrowed; they outlive the Stepper.
struct StepParts {
  unit::Model& model;
  unit::Tracker& tracker;
  const border::Object<strata_strategy_api>& strategy;
  const border::Object<strata_optim_wrapper_api>* wrapper = nullptr;  // null: evaluation only
  int32_t world_size = 1;
  optim::Updater* updater = nullptr;  // null: evaluation only
};

/// Drives model, strategy and optim_wrapper. [main]
class Stepper {
 public:
  explicit Stepper(StepParts parts);

  /// Trains on one micro-batch. iter, step: those done so far.
  /// Errors: whatever failed; the iteration is undone as far as gradients and storage go, and the next one runs as if it
  /// had not been. Accumulated gradients of its window are lost.
  IterReport train(unit::Fields batch, int64_t iter, int64_t step);

  /// Runs the model in mode PREDICT without gradients.
  unit::Fields predict(unit::Fields batch);

 private:
  unit::Losses forward_loss(unit::Fields batch);
  void update(IterReport& report);
  template <class Body>
  auto guarded_iteration(Body&& body);

  StepParts parts_;
  bool averages_itself_ = false;
  strata_step_ctx ctx_{};
};

}  // namespace strata::train
