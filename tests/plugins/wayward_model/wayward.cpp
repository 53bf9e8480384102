// Model "Wayward": two layers beside each other; the batch's field "mode" makes it misbehave: 1 runs them in the other
// order, 2 reads a layer's weight outside of its unit, 3 fails in forward, 4 fails in backward. The field "factor"
// multiplies the loss.
// It has a frozen, an unused and an empty parameter.
#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tanh.h>

#include "strata/cpp/plugin.hpp"
#include "strata/torch/init.hpp"
#include "strata/torch/layers.hpp"
#include "strata/torch/loss.hpp"
#include "strata/torch/model.hpp"

namespace {

using strata::LinearImpl;
using strata::Tensors;
using strata::Unit;

struct Net : torch::nn::Module {
  explicit Net(at::ScalarType dtype)
      : left(add("left", 20, 16, dtype)),
        right(add("right", 20, 16, dtype)),
        head(add("head", 16, 5, dtype)) {
    frozen = register_parameter("frozen", at::ones({16}, dtype), /*requires_grad=*/false);
    register_parameter("unused", at::ones({3}, dtype));
    register_parameter("empty", at::ones({0}, dtype));
  }

  Unit<LinearImpl> add(const char* name, int64_t in, int64_t out, at::ScalarType dtype) {
    auto unit = Unit<LinearImpl>::make(LinearImpl::Options{in, out, true, dtype});
    register_module(name, unit.ptr());
    return unit;
  }

  at::Tensor forward(const at::Tensor& x, int64_t mode) {
    if (mode == 2) {
      return head(at::tanh(left(x) + at::linear(x, right->weight)));
    }
    const at::Tensor first = mode == 1 ? right(x) : left(x);
    const at::Tensor second = mode == 1 ? left(x) : right(x);
    if (mode == 3) {
      throw strata::run_error("this forward fails");
    }
    const at::Tensor hidden = at::tanh(first + second) * frozen;
    if (mode == 4) {
      hidden.register_hook(
          [](const at::Tensor&) -> void { throw strata::run_error("this backward fails"); });
    }
    return head(hidden);
  }

  Unit<LinearImpl> left;
  Unit<LinearImpl> right;
  Unit<LinearImpl> head;
  at::Tensor frozen;
};

struct Config {
  std::string dtype = "float32";
};

class Wayward final : public strata::Model {
 public:
  explicit Wayward(const Config& config)
      : dtype_(config.dtype == "float64" ? at::kDouble : at::kFloat) {}

  std::shared_ptr<torch::nn::Module> build() override {
    net_ = std::make_shared<Net>(dtype_);
    return net_;
  }

  void init_value(const torch::nn::Module& module,
                  const std::string& leaf,
                  at::Tensor& out,
                  const at::Generator& generator) override {
    if (&module == net_.get()) {
      out.fill_(0.75);
    } else {
      strata::default_init(module, leaf, out, generator);
    }
  }

  Tensors forward(const Tensors& batch, strata::Mode) override {
    const at::ScalarType dtype =
        net_->head->weight.scalar_type();  // a strategy may have changed it
    const int64_t mode = batch.has("mode") ? batch.get("mode").item<int64_t>() : 0;
    const at::Tensor loss = strata::classification_loss(
        net_->forward(batch.get("img").to(dtype), mode), batch.get("label"));
    Tensors out;
    out.put("loss", batch.has("factor") ? loss * batch.get("factor") : loss);
    return out;
  }

 private:
  at::ScalarType dtype_;
  std::shared_ptr<Net> net_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<Wayward, Config>("Wayward").field("dtype",
                                                                 &Config::dtype,
                                                                 "of the parameters"));
