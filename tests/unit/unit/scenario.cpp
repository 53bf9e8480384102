// Test models made of cells, and a reentrant checkpoint.
#include "scenario.hpp"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>

namespace strata::testing {
namespace {

struct CheckpointFn : torch::autograd::Function<CheckpointFn> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const std::function<at::Tensor(at::Tensor)>* f) {
    ctx->save_for_backward({x});
    ctx->saved_data["f"] = reinterpret_cast<int64_t>(f);
    const at::NoGradGuard no_grad;
    return (*f)(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto& f = *reinterpret_cast<const std::function<at::Tensor(at::Tensor)>*>(ctx->saved_data["f"].toInt());
    at::Tensor x = ctx->get_saved_variables()[0].detach().requires_grad_(true);
    const at::AutoGradMode enable(true);
    const at::Tensor y = f(x);
    torch::autograd::backward({y}, {grads[0]});
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor checkpointed(const std::function<at::Tensor(at::Tensor)>& f, const at::Tensor& x) {
  // The function must outlive backward; tests are short.
  auto* kept = new std::function<at::Tensor(at::Tensor)>(f);
  return CheckpointFn::apply(x, kept);
}

Cell& ScenarioModel::add(const std::string& name,
                         const std::vector<std::pair<std::string, std::vector<int64_t>>>& params,
                         CellImpl::Forward forward) {
  Cell cell = Cell::make(std::move(forward));
  for (const auto& [key, shape] : params) {
    const bool frozen = key.back() == '!';
    cell->register_parameter(frozen ? key.substr(0, key.size() - 1) : key, at::empty(shape), !frozen);
  }
  root_->register_module(name, cell.ptr());
  return cells_.emplace(name, cell).first->second;
}

std::shared_ptr<torch::nn::Module> ScenarioModel::build() {
  build_(*this);
  return root_;
}

Tensors ScenarioModel::forward(const Tensors& batch, Mode) {
  Tensors out;
  out.put("loss", forward_(*this, batch.get("x")));
  return out;
}

void ScenarioModel::init_value(const torch::nn::Module&, const std::string&, at::Tensor& out,
                               const at::Generator& generator) {
  out.normal_(0.0, 0.5, generator);
}

}  // namespace strata::testing
