// A model as a bare module and autograd: no host, no strategy. What every other way to run it is
// compared with.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

#include "strata/torch/model.hpp"

#include "../unit/unit/harness.hpp"
#include "unit/model.hpp"

namespace strata::testing {

class STRATA_HIDDEN PlainModel {
 public:
  using Named = std::vector<std::pair<std::string, at::Tensor>>;

  /// Values as a Rank draws them.
  explicit PlainModel(std::unique_ptr<Model> made) : model(std::move(made)) {
    install_host();
    const strata_model_sink sink = {this, &unit, &param, &borrow, &buffer};
    model->build_into(sink);
    for (auto& [name, tensor] : params) {
      tensor.set_data(at::empty(tensor.sizes(), tensor.options().requires_grad(false)));
      at::Tensor data = tensor.detach();
      model->init_named(name, unit::seed_of(Rank::kSeed, name), data);
    }
  }

  at::Tensor backward(const Named& batch) {
    const at::Tensor loss = forward(batch, Mode::kLoss).get("loss");
    loss.backward();
    return loss.detach();
  }

  Tensors forward(const Named& batch, Mode mode) {
    Tensors fields;
    for (const auto& [name, value] : batch) {
      fields.put(name, value);
    }
    return model->forward(fields, mode);
  }

  void zero_grad() {
    for (auto& [name, tensor] : params) {
      tensor.mutable_grad().reset();
    }
  }

  std::unique_ptr<Model> model;
  std::vector<std::pair<std::string, std::string>> units;  // name, type
  Named params;
  Named buffers;

 private:
  static PlainModel& self(void* ctx) { return *static_cast<PlainModel*>(ctx); }

  static strata_rc unit(void* ctx, int32_t, strata_str name, strata_str type, int32_t* out) {
    self(ctx).units.emplace_back(view(name), view(type));
    *out = static_cast<int32_t>(self(ctx).units.size());
    return STRATA_OK;
  }

  static strata_rc param(void* ctx,
                         int32_t,
                         strata_str name,
                         strata_str,
                         strata_native_tensor* tensor,
                         uint32_t,
                         int32_t* out) {
    *out = static_cast<int32_t>(self(ctx).params.size());
    self(ctx).params.emplace_back(view(name), *static_cast<at::Tensor*>(tensor));
    return STRATA_OK;
  }

  static strata_rc borrow(void*, int32_t, int32_t, strata_str) { return STRATA_OK; }

  static strata_rc buffer(
      void* ctx, int32_t, strata_str name, strata_native_tensor* tensor, int32_t) {
    self(ctx).buffers.emplace_back(view(name), *static_cast<at::Tensor*>(tensor));
    return STRATA_OK;
  }
};

}  // namespace strata::testing
