// The root unit's forward, and the sum of losses.
#include "unit/forward.hpp"

#include <algorithm>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/mean.h>

namespace strata::unit {
namespace {

struct OutputCollector {
  Fields fields;

  static strata_rc put(void* ctx, strata_str name, strata_native_tensor* tensor) {
    return border::guarded([&] {
      static_cast<OutputCollector*>(ctx)->fields.emplace_back(std::string(border::view(name)),
                                                              *static_cast<at::Tensor*>(tensor));
    });
  }
};

std::vector<at::Tensor*> pointers(Fields& fields) {
  std::vector<at::Tensor*> out;
  out.reserve(fields.size());
  for (auto& [name, tensor] : fields) {
    out.push_back(&tensor);
  }
  return out;
}

// "1" means the second field, as MMEngine's inputs_to_half has it.
bool is_named(const std::vector<std::string>& names, const std::string& field, size_t place) {
  return names.empty() || std::ranges::any_of(names, [&](const std::string& name) {
           return name == field || name == std::to_string(place);
         });
}

void cast_fields(const Model& model, Fields& batch) {
  if (!model.casts_inputs() || model.input_cast(0).dtype == at::ScalarType::Undefined) {
    return;
  }
  const InputCast& cast = model.input_cast(0);
  for (size_t i = 0; i < batch.size(); ++i) {
    auto& [name, tensor] = batch[i];
    if (tensor.is_floating_point() && is_named(cast.names, name, i)) {
      tensor = tensor.to(cast.dtype);
    }
  }
}

// Leaves the root unit when the model throws; an error of the strategy must not hide the model's.
class RootScope {
 public:
  explicit RootScope(Tracker& tracker) : tracker_(&tracker) {}

  RootScope(const RootScope&) = delete;
  RootScope& operator=(const RootScope&) = delete;

  ~RootScope() {
    if (tracker_ != nullptr) {
      try {
        tracker_->leave(0, nullptr, 0, true);
        // NOLINTNEXTLINE(bugprone-empty-catch): the first error is already on its way
      } catch (const std::exception&) {
      }
    }
  }

  void done() { tracker_ = nullptr; }

 private:
  Tracker* tracker_;
};

}  // namespace

Fields forward(Model& model, Tracker& tracker, int32_t mode, Fields batch) {
  cast_fields(model, batch);
  std::vector<at::Tensor*> inputs = pointers(batch);
  tracker.enter(0, inputs.data(), inputs.size());
  RootScope root(tracker);
  std::vector<strata_native_field> fields;
  fields.reserve(batch.size());
  for (auto& [name, tensor] : batch) {
    fields.push_back({border::view(std::string_view(name)), &tensor});
  }
  OutputCollector collector;
  const strata_output_sink sink = {&collector, &OutputCollector::put};
  model.object().call(&strata_model_api::forward,
                      mode,
                      static_cast<const strata_native_field*>(fields.data()),
                      static_cast<uint64_t>(fields.size()),
                      &sink);
  std::vector<at::Tensor*> outputs = pointers(collector.fields);
  root.done();
  tracker.leave(0, outputs.data(), outputs.size(), false);
  return std::move(collector.fields);
}

Losses parse_losses(const Fields& outputs) {
  Losses losses;
  Fields means;
  for (const auto& [name, value] : outputs) {
    const at::Tensor mean = value.dim() == 0 ? value : value.mean();
    if (name.find("loss") != std::string::npos) {
      losses.total = losses.total.defined() ? losses.total + mean : mean;
    }
    if (name != "loss") {
      means.emplace_back(name, mean.detach());
    }
  }
  if (!losses.total.defined()) {
    std::string names;
    for (const auto& [name, value] : outputs) {
      names += " " + name;
    }
    throw Error(STRATA_E_FAILED,
                text("no output of the model is a loss (a name that contains \"loss\"); it gave:",
                     names.empty() ? " nothing" : names));
  }
  losses.logged.emplace_back("loss", losses.total.detach());
  losses.logged.insert(losses.logged.end(), means.begin(), means.end());
  return losses;
}

}  // namespace strata::unit
