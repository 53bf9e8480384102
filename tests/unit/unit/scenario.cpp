// Test models made of cells.
#include "scenario.hpp"

#include <ATen/ops/empty.h>

namespace strata::testing {
at::Tensor checkpointed(const std::function<at::Tensor(at::Tensor)>& f, const at::Tensor& x) {
  return detail::recomputed(f, x);
}

Cell& ScenarioModel::add(const std::string& name,
                         const std::vector<std::pair<std::string, std::vector<int64_t>>>& params,
                         CellImpl::Forward forward) {
  Cell cell = Cell::make(std::move(forward));
  for (const auto& [key, shape] : params) {
    const bool frozen = key.back() == '!';
    cell->register_parameter(
        frozen ? key.substr(0, key.size() - 1) : key, at::empty(shape), !frozen);
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

void ScenarioModel::init_value(const torch::nn::Module&,
                               const std::string&,
                               at::Tensor& out,
                               const at::Generator& generator) {
  out.normal_(0.0, 0.5, generator);
}

}  // namespace strata::testing
