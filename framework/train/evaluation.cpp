// Metrics over a pass.
#include "train/evaluation.hpp"

#include <algorithm>
#include <deque>

#include "unit/memory.hpp"

namespace strata::train {
namespace {

// Handles for plugins over tensors that live as long as this.
class Handles {
 public:
  void add(const std::string& name, const at::Tensor& tensor) {
    slots_.push_back(strata_tensor{tensor});
    named_.push_back({border::view(std::string_view(name)), &slots_.back()});
  }

  [[nodiscard]] const std::vector<strata_named_tensor>& named() const { return named_; }

 private:
  std::deque<strata_tensor> slots_;
  std::vector<strata_named_tensor> named_;
};

}  // namespace

void Evaluation::reset() {
  for (const auto& metric : metrics_) {
    metric.call(&strata_metric_api::reset);
  }
}

void Evaluation::process(const data::Batch& batch, const unit::Fields& outputs) {
  Handles fields;
  for (const data::BatchField& field : batch.fields) {
    fields.add(field.name, field.tensor);
  }
  Handles predictions;
  for (const auto& [name, tensor] : outputs) {
    predictions.add(name, tensor);
  }
  strata_metric_batch view{};
  view.h = STRATA_HDR(strata_metric_batch);
  view.batch = fields.named().data();
  view.n_batch = fields.named().size();
  view.outputs = predictions.named().data();
  view.n_outputs = predictions.named().size();
  view.valid = batch.valid;
  for (const auto& metric : metrics_) {
    metric.call(&strata_metric_api::process, static_cast<const strata_metric_batch*>(&view));
  }
}

border::Numbers Evaluation::compute(comm::World& world) {
  border::Numbers all;
  for (const auto& metric : metrics_) {
    const border::NumberSink state;
    metric.call(&strata_metric_api::state, state.c());
    std::vector<double> sums;
    for (const auto& [name, value] : state.items()) {
      sums.push_back(value);
    }
    world.all_reduce_sum(sums.data(), static_cast<int64_t>(sums.size()));
    const border::NumberSink results;
    metric.call(&strata_metric_api::compute,
                static_cast<const double*>(sums.data()),
                static_cast<uint64_t>(sums.size()),
                results.c());
    for (const auto& item : results.items()) {
      if (std::ranges::any_of(all, [&](const auto& known) { return known.first == item.first; })) {
        throw run_error(
            "two metrics report \"", item.first, "\"; give one of them another name or prefix");
      }
      all.push_back(item);
    }
  }
  return all;
}

}  // namespace strata::train
