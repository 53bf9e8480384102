// Batch norm as torch.nn has it, over one rank or, when the strategy asks for it, over a group.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/module.h>

#include "strata/abi/model.h"
#include "strata/torch/hollow.hpp"
#include "strata/torch/recompute.hpp"
#include "strata/torch/runtime_aware.hpp"
#include "strata/torch/sync_batch_norm.hpp"
#include "strata/torch/unit.hpp"

namespace strata {

struct STRATA_HIDDEN BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // empty: running statistics are plain means
  bool affine = true;
  bool track_running_stats = true;
  at::ScalarType dtype = at::kFloat;  // of parameters and running statistics
};

/// torch.nn.BatchNorm for [N, C, …], with its names, order and bits. Weights, running statistics
/// and input may be of different dtypes: statistics and scaling are then computed in the widest,
/// float32 at least, and the result has the input's. In training, under
/// strata_autograd_api.set_batch_norm_sync(), forward and backward are collective; gradients of
/// weight and bias stay this rank's own.
class STRATA_HIDDEN BatchNormImpl : public torch::nn::Module, public virtual RuntimeAware {
 public:
  explicit BatchNormImpl(int64_t channels, const BatchNormOptions& options = {})
      : options_(options) {
    if (options.affine) {
      weight = register_parameter("weight", hollow({channels}, options.dtype));
      bias = register_parameter("bias", hollow({channels}, options.dtype));
    }
    if (options.track_running_stats) {
      running_mean = register_buffer("running_mean", at::zeros({channels}, options.dtype));
      running_var = register_buffer("running_var", at::ones({channels}, options.dtype));
      num_batches_tracked = register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
    }
  }

  at::Tensor forward(const at::Tensor& input) {
    const bool of_batch = is_training() || !running_mean.defined();
    // A batch counts once; with momentum 0 the running statistics keep their bits.
    const bool counts = is_training() && running_mean.defined() && !recomputing();
    const double momentum = counts ? count_batch() : 0.0;
    const at::ScalarType math = math_dtype(input);
    // LibTorch's kernels take a reduced input under float32 weights as it is.
    const bool as_is = math == at::kFloat && at::isReducedFloatingType(input.scalar_type());
    const at::Tensor x = as_is ? input : input.to(math);
    strata_group* group = is_training() ? sync_group() : nullptr;
    const at::Tensor y = group != nullptr ? over_group(x, math, group, momentum)
                                          : alone(x, math, of_batch, momentum);
    return y.to(input.scalar_type());
  }

  at::Tensor weight;
  at::Tensor bias;
  at::Tensor running_mean;
  at::Tensor running_var;
  at::Tensor num_batches_tracked;

 private:
  // The weight of the batch in the running statistics.
  double count_batch() {
    const at::NoGradGuard no_grad;
    num_batches_tracked.add_(1);
    return options_.momentum ? *options_.momentum
                             : 1.0 / static_cast<double>(num_batches_tracked.item<int64_t>());
  }

  [[nodiscard]] at::ScalarType math_dtype(const at::Tensor& input) const {
    at::ScalarType widest = at::promoteTypes(input.scalar_type(), at::kFloat);
    bool mixed = false;
    for (const at::Tensor* t : {&weight, &bias, &running_mean, &running_var}) {
      if (t->defined()) {
        widest = at::promoteTypes(widest, t->scalar_type());
        mixed = mixed || t->scalar_type() != input.scalar_type();
      }
    }
    return mixed ? widest : input.scalar_type();
  }

  [[nodiscard]] strata_group* sync_group() const {
    if (runtime() == nullptr) {
      return nullptr;
    }
    strata_group* group = service<strata_units_api>().batch_norm_group(runtime());
    return group != nullptr && Group(group).size() > 1 ? group : nullptr;
  }

  static at::Tensor in(at::ScalarType dtype, const at::Tensor& t) {
    return t.defined() ? t.to(dtype) : t;
  }

  at::Tensor alone(const at::Tensor& x, at::ScalarType math, bool of_batch, double momentum) {
    if (of_batch && x.numel() == x.size(1)) {
      throw Error(
          STRATA_E_ARGUMENT,
          text("batch norm in training needs more than one value per channel, the input is ",
               x.sizes(),
               "; use a larger batch"));
    }
    const at::Tensor mean = in(math, running_mean);
    const at::Tensor var = in(math, running_var);
    const at::Tensor y = at::batch_norm(x,
                                        in(math, weight),
                                        in(math, bias),
                                        mean,
                                        var,
                                        of_batch,
                                        momentum,
                                        options_.eps,
                                        at::globalContext().userEnabledCuDNN());
    if (of_batch && mean.defined() && !mean.is_same(running_mean)) {
      const at::NoGradGuard no_grad;
      running_mean.copy_(mean);
      running_var.copy_(var);
    }
    return y;
  }

  at::Tensor over_group(const at::Tensor& x,
                        at::ScalarType math,
                        strata_group* group,
                        double momentum) {
    const auto stats = detail::group_stats(Group(group), x.to(math));
    if (running_mean.defined()) {
      const at::NoGradGuard no_grad;
      const at::Tensor unbiased =
          stats.var * (stats.count / (stats.count - 1).clamp_min(1)).to(math);
      running_mean.copy_(stats.mean * momentum + running_mean.to(math) * (1 - momentum));
      running_var.copy_(unbiased * momentum + running_var.to(math) * (1 - momentum));
    }
    return detail::SyncBatchNormFn::apply(
        x, in(math, weight), in(math, bias), stats, std::pair(group, options_.eps));
  }

  BatchNormOptions options_;
};

/// Over [N, C] or [N, C, L].
struct STRATA_HIDDEN BatchNorm1dImpl : BatchNormImpl {
  using BatchNormImpl::BatchNormImpl;

  at::Tensor forward(const at::Tensor& input) {
    if (input.dim() != 2 && input.dim() != 3) {
      throw Error(STRATA_E_ARGUMENT,
                  text("BatchNorm1d wants [N, C] or [N, C, L], not ", input.sizes()));
    }
    return BatchNormImpl::forward(input);
  }
};

/// Over [N, C, H, W].
struct STRATA_HIDDEN BatchNorm2dImpl : BatchNormImpl {
  using BatchNormImpl::BatchNormImpl;

  at::Tensor forward(const at::Tensor& input) {
    if (input.dim() != 4) {
      throw Error(STRATA_E_ARGUMENT, text("BatchNorm2d wants [N, C, H, W], not ", input.sizes()));
    }
    return BatchNormImpl::forward(input);
  }
};

}  // namespace strata
