// Linear and Conv2d as torch.nn has them: same names, same results. Making one draws no random
// number and allocates nothing for its parameters, which the host binds and fills later.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <torch/nn/module.h>

#include "strata/cpp/host.hpp"
#include "strata/torch/hollow.hpp"

namespace strata {

/// y = x W^T + b. weight [out, in], bias [out].
struct STRATA_HIDDEN LinearImpl : torch::nn::Module {
  struct Options {
    int64_t in = 0;
    int64_t out = 0;
    bool bias = true;
    at::ScalarType dtype = at::kFloat;
  };

  explicit LinearImpl(const Options& o)
      : weight(register_parameter("weight", hollow({o.out, o.in}, o.dtype))) {
    if (o.bias) {
      bias = register_parameter("bias", hollow({o.out}, o.dtype));
    }
  }

  /// Without bias, over another layer's weight [out, in] (a tied head).
  explicit LinearImpl(const at::Tensor& tied) : weight(register_parameter("weight", tied)) {}

  /// x: [..., in] in the weight's dtype; returns [..., out].
  at::Tensor forward(const at::Tensor& x) { return at::linear(x, weight, bias); }

  at::Tensor weight;
  at::Tensor bias;  // may be undefined
};

/// Square kernels, without groups or dilation. weight [out, in, kernel, kernel], bias [out].
struct STRATA_HIDDEN Conv2dImpl : torch::nn::Module {
  struct Options {
    int64_t in = 0;
    int64_t out = 0;
    int64_t kernel = 1;
    int64_t stride = 1;
    int64_t padding = 0;
    bool bias = true;
    at::ScalarType dtype = at::kFloat;
  };

  explicit Conv2dImpl(const Options& o)
      : weight(register_parameter("weight", hollow({o.out, o.in, o.kernel, o.kernel}, o.dtype))),
        stride_(o.stride),
        padding_(o.padding) {
    if (o.bias) {
      bias = register_parameter("bias", hollow({o.out}, o.dtype));
    }
  }

  /// x: [batch, in, height, width] in the weight's dtype.
  at::Tensor forward(const at::Tensor& x) {
    return at::conv2d(x, weight, bias, {stride_, stride_}, {padding_, padding_});
  }

  at::Tensor weight;
  at::Tensor bias;  // may be undefined

 private:
  int64_t stride_;
  int64_t padding_;
};

}  // namespace strata
