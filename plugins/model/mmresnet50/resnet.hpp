// ResNet-50 as a model: what torchvision's resnet50 computes, split into units.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "strata/torch/model.hpp"

namespace strata::resnet {

struct Config {
  int64_t num_classes = 1000;
  bool zero_init_residual = false;
  std::string dtype = "float32";
};

struct Net;

class STRATA_HIDDEN MMResNet50 final : public Model {
 public:
  explicit MMResNet50(Config config) : config_(std::move(config)) {}

  std::shared_ptr<torch::nn::Module> build() override;
  Tensors forward(const Tensors& batch, Mode mode) override;
  void init_value(const torch::nn::Module& module,
                  const std::string& leaf,
                  at::Tensor& out,
                  const at::Generator& generator) override;

 private:
  Config config_;
  std::shared_ptr<Net> net_;
};

}  // namespace strata::resnet
