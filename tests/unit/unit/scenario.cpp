// Test models made of cells.
#include "scenario.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

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

at::Tensor lin(CellImpl& cell, const at::Tensor& x) {
  return at::linear(x, cell.p("w"), cell.p("b"));
}

ScenarioModel::Build linear_cells(std::vector<std::pair<std::string, CellImpl::Forward>> list) {
  return [list = std::move(list)](ScenarioModel& m) {
    for (const auto& [name, forward] : list) {
      m.add(name, kLinear, forward);
    }
  };
}

at::Tensor three(ScenarioModel& model, const at::Tensor& x) {
  return model.cell("c")(model.cell("b")(model.cell("a")(x))).pow(2).mean();
}

}  // namespace strata::testing
