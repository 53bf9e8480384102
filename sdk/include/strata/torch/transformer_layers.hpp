// Embedding, LayerNorm and Conv1D as torch.nn and Hugging Face's GPT-2 have them: same names, same
// results. As all layers of the SDK they have no memory of their own (hollow.hpp), and they compute
// in whatever dtype their parameters were given.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <torch/nn/module.h>

#include "strata/cpp/host.hpp"
#include "strata/torch/hollow.hpp"

namespace strata {

/// Rows of a table. weight [count, width].
struct STRATA_HIDDEN EmbeddingImpl : torch::nn::Module {
  struct Options {
    int64_t count = 0;
    int64_t width = 0;
    at::ScalarType dtype = at::kFloat;
  };

  explicit EmbeddingImpl(const Options& o)
      : weight(register_parameter("weight", hollow({o.count, o.width}, o.dtype))) {}

  /// ids: integers in [0, count), any shape; returns [..., width] in the weight's dtype.
  at::Tensor forward(const at::Tensor& ids) { return at::embedding(weight, ids); }

  at::Tensor weight;
};

/// Normalises the last dimension (Ba et al. 2016). weight [width], bias [width].
struct STRATA_HIDDEN LayerNormImpl : torch::nn::Module {
  struct Options {
    int64_t width = 0;
    double eps = 1e-5;
    at::ScalarType dtype = at::kFloat;
  };

  explicit LayerNormImpl(const Options& o)
      : weight(register_parameter("weight", hollow({o.width}, o.dtype))),
        bias(register_parameter("bias", hollow({o.width}, o.dtype))),
        eps_(o.eps) {}

  /// x: [..., width]; returns the same, in x's dtype. Where the parameters are of another dtype, the
  /// wider of the two computes.
  at::Tensor forward(const at::Tensor& x) {
    const at::ScalarType own = weight.scalar_type();
    const at::ScalarType math = at::promoteTypes(x.scalar_type(), own);
    // LibTorch's kernel takes a reduced input under float32 parameters as it is.
    if (own == x.scalar_type() ||
        (own == at::kFloat && at::isReducedFloatingType(x.scalar_type()))) {
      return at::layer_norm(x, weight.sizes(), weight, bias, eps_);
    }
    return at::layer_norm(x.to(math), weight.sizes(), weight.to(math), bias.to(math), eps_)
        .to(x.scalar_type());
  }

  at::Tensor weight;
  at::Tensor bias;

 private:
  double eps_;
};

/// Hugging Face's Conv1D: a linear layer stored the other way round, y = x W + b. weight [in, out],
/// bias [out].
struct STRATA_HIDDEN Conv1DImpl : torch::nn::Module {
  struct Options {
    int64_t in = 0;
    int64_t out = 0;
    at::ScalarType dtype = at::kFloat;
  };

  explicit Conv1DImpl(const Options& o)
      : weight(register_parameter("weight", hollow({o.in, o.out}, o.dtype))),
        bias(register_parameter("bias", hollow({o.out}, o.dtype))) {}

  /// x: [..., in] in the weight's dtype; returns [..., out].
  at::Tensor forward(const at::Tensor& x) {
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(1);
    return at::addmm(bias, x.reshape({-1, weight.size(0)}), weight).view(shape);
  }

  at::Tensor weight;
  at::Tensor bias;
};

}  // namespace strata
