// Layers, activation and loss of the MLP.
#include "mlp.hpp"

#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>

#include "strata/torch/layers.hpp"
#include "strata/torch/loss.hpp"

namespace strata::mlp {
namespace {

using Activation = at::Tensor (*)(const at::Tensor&);

Activation activation_named(const std::string& name) {
  if (name == "gelu") {
    return [](const at::Tensor& x) { return at::gelu(x); };
  }
  return name == "tanh" ? static_cast<Activation>(&at::tanh) : static_cast<Activation>(&at::relu);
}

}  // namespace

struct STRATA_HIDDEN Mlp::Net : torch::nn::Module {
  explicit Net(const Config& config) : activation(activation_named(config.activation)) {
    const at::ScalarType dtype = config.dtype == "float64" ? at::kDouble : at::kFloat;
    std::vector<int64_t> widths = config.hidden;
    widths.push_back(config.num_classes);
    int64_t in = config.in_features;
    for (const int64_t out : widths) {
      auto layer = Unit<LinearImpl>::make(LinearImpl::Options{in, out, config.bias, dtype});
      const bool last = layers.size() + 1 == widths.size();
      register_module(last ? "head" : text("fc", layers.size() + 1), layer.ptr());
      layers.push_back(std::move(layer));
      in = out;
    }
  }

  at::Tensor forward(at::Tensor x) {
    for (size_t i = 0; i < layers.size(); ++i) {
      x = layers[i](i == 0 ? x : activation(x));
    }
    return x;
  }

  Activation activation;
  std::vector<Unit<LinearImpl>> layers;
};

std::shared_ptr<torch::nn::Module> Mlp::build() {
  net_ = std::make_shared<Net>(config_);
  return net_;
}

Tensors Mlp::forward(const Tensors& batch, Mode mode) {
  const at::Tensor x = batch.get("img").flatten(1);
  if (x.size(1) != config_.in_features) {
    throw Error(STRATA_E_ARGUMENT,
                text("MLP reads ",
                     config_.in_features,
                     " features of a sample, the field \"img\" of ",
                     batch.get("img").sizes(),
                     " has ",
                     x.size(1),
                     "; set in_features = ",
                     x.size(1)));
  }
  const at::Tensor logits = net_->forward(x.to(net_->layers[0]->weight.scalar_type()));
  Tensors out;
  if (mode == Mode::kLoss) {
    out.put("loss", classification_loss(logits, batch.get("label")));
  } else {
    out.put("logits", logits);
  }
  return out;
}

}  // namespace strata::mlp
