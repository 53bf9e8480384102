// Metrics over a pass of data: exact over ranks, whatever the padding.
#pragma once

#include <vector>

#include "strata/abi/data.h"

#include "border/object.hpp"
#include "border/sinks.hpp"
#include "comm/world.hpp"
#include "data/batch.hpp"
#include "unit/forward.hpp"

namespace strata::train {

/// The metrics of val_evaluator or test_evaluator. [main]
class Evaluation {
 public:
  explicit Evaluation(std::vector<border::Object<strata_metric_api>> metrics)
      : metrics_(std::move(metrics)) {}

  void reset();
  /// Samples beyond batch.valid only even out the ranks and do not count.
  void process(const data::Batch& batch, const unit::Fields& outputs);
  /// Sums the metrics' states over ranks and computes. Collective. Errors: two metrics of one name.
  border::Numbers compute(comm::World& world);

 private:
  std::vector<border::Object<strata_metric_api>> metrics_;
};

}  // namespace strata::train
