// A classifier of fully connected layers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/torch/model.hpp"

namespace strata::mlp {

struct Config {
  int64_t in_features = int64_t{3} * 32 * 32;
  std::vector<int64_t> hidden = {64, 64};
  int64_t num_classes = 10;
  std::string activation = "relu";
  bool bias = true;
  std::string dtype = "float32";
};

class STRATA_HIDDEN Mlp final : public Model {
 public:
  explicit Mlp(Config config) : config_(std::move(config)) {}

  std::shared_ptr<torch::nn::Module> build() override;
  Tensors forward(const Tensors& batch, Mode mode) override;

 private:
  struct Net;

  Config config_;
  std::shared_ptr<Net> net_;
};

}  // namespace strata::mlp
