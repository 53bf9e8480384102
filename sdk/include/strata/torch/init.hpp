// Initial values of LibTorch's layers, drawn from a given generator, as torch.nn draws them.
#pragma once

#include <cmath>
#include <string>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "strata/cpp/host.hpp"

namespace strata {

/// Inputs that feed one output element of a weight [out, in, …].
STRATA_HIDDEN inline int64_t fan_in(const at::Tensor& weight) {
  return weight.numel() / weight.size(0);
}

/// Uniform in ±1/sqrt(fan): what torch.nn.Linear and Conv draw (kaiming_uniform with a = sqrt(5)).
STRATA_HIDDEN inline void init_uniform_by_fan(at::Tensor& out,
                                              int64_t fan,
                                              const at::Generator& generator) {
  const double bound = fan > 0 ? 1.0 / std::sqrt(static_cast<double>(fan)) : 0.0;
  out.uniform_(-bound, bound, generator);
}

/// Normal with std sqrt(2/fan_out): He et al. 2015, mode fan_out, for ReLU networks.
STRATA_HIDDEN inline void init_kaiming_fan_out(at::Tensor& out, const at::Generator& generator) {
  const int64_t fan_out = out.size(0) * (out.numel() / (out.size(0) * out.size(1)));
  out.normal_(0.0, std::sqrt(2.0 / static_cast<double>(fan_out)), generator);
}

/// By the parameter's name and shape: "weight" of two or more dimensions as Linear/Conv (Embedding: standard normal;
/// Conv1D: normal of std 0.02 and bias 0, as Hugging Face's), one-dimensional "weight" is a norm's scale (1), "bias"
/// follows the weight beside it or is a norm's shift (0).
STRATA_HIDDEN inline void default_init(const torch::nn::Module& module,
                                       const std::string& leaf,
                                       at::Tensor& out,
                                       const at::Generator& generator) {
  const auto siblings = module.named_parameters(/*recurse=*/false);
  const at::Tensor* weight = siblings.find("weight");
  const bool norm = weight == nullptr || weight->dim() < 2;
  const bool conv1d = module.name().find("Conv1D") != std::string::npos;
  if (leaf == "weight" && !norm) {
    if (conv1d) {
      out.normal_(0.0, 0.02, generator);
    } else if (module.name().find("Embedding") != std::string::npos) {
      out.normal_(0.0, 1.0, generator);
    } else {
      init_uniform_by_fan(out, fan_in(out), generator);
    }
  } else if (leaf == "bias" && !norm && !conv1d) {
    init_uniform_by_fan(out, fan_in(*weight), generator);
  } else if (leaf == "weight") {
    out.fill_(1.0);
  } else if (leaf == "bias") {
    out.zero_();
  } else {
    throw Error(STRATA_E_UNSUPPORTED,
                text("no default initial value for \"",
                     leaf,
                     "\" of module ",
                     module.name(),
                     "; override init_value() in the model"));
  }
}

}  // namespace strata
