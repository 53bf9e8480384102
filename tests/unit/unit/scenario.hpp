// Small models made of units with arbitrary forwards, for comparing a sharded run with a plain one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

#include "strata/torch/model.hpp"

namespace strata::testing {

/// A unit with named parameters and any forward.
struct CellImpl : torch::nn::Module {
  using Forward = std::function<at::Tensor(CellImpl&, at::Tensor)>;

  explicit CellImpl(Forward f) : run(std::move(f)) {}

  at::Tensor forward(at::Tensor x) { return run(*this, std::move(x)); }

  at::Tensor& p(const std::string& name) { return parameters_[name]; }

  Forward run;
};

using Cell = Unit<CellImpl>;

/// Re-runs `f` in backward instead of keeping its graph.
at::Tensor checkpointed(const std::function<at::Tensor(at::Tensor)>& f, const at::Tensor& x);

class ScenarioModel final : public Model {
 public:
  using Forward = std::function<at::Tensor(ScenarioModel&, at::Tensor)>;
  using Build = std::function<void(ScenarioModel&)>;

  ScenarioModel(Build build, Forward forward)
      : build_(std::move(build)), forward_(std::move(forward)) {}

  /// Adds a unit whose parameters have the given shapes; names ending in "!" are frozen.
  Cell& add(const std::string& name,
            const std::vector<std::pair<std::string, std::vector<int64_t>>>& params,
            CellImpl::Forward forward);

  Cell& cell(const std::string& name) { return cells_.at(name); }

  std::shared_ptr<torch::nn::Module> build() override;
  Tensors forward(const Tensors& batch, Mode mode) override;
  void init_value(const torch::nn::Module& module,
                  const std::string& leaf,
                  at::Tensor& out,
                  const at::Generator& generator) override;

 private:
  struct Root : torch::nn::Module {};

  Build build_;
  Forward forward_;
  std::shared_ptr<Root> root_ = std::make_shared<Root>();
  std::map<std::string, Cell> cells_;
};

/// Parameters of a linear cell of six features, and its forward.
inline const std::vector<std::pair<std::string, std::vector<int64_t>>> kLinear = {{"w", {6, 6}},
                                                                                  {"b", {6}}};
at::Tensor lin(CellImpl& cell, const at::Tensor& x);

/// Cells that have the parameters of a linear one.
ScenarioModel::Build linear_cells(std::vector<std::pair<std::string, CellImpl::Forward>> list);

/// Cells a, b and c, one after the other.
at::Tensor three(ScenarioModel& model, const at::Tensor& x);

}  // namespace strata::testing
