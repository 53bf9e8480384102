// Batch norm over the samples of all ranks of a group: the mathematics and its two collectives.
#pragma once

#include <tuple>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "strata/cpp/memory.hpp"

namespace strata::detail {

/// Statistics of each channel over all ranks. mean, var (biased): [channels] in the dtype asked
/// for; count: values per channel, a float64 scalar.
struct STRATA_HIDDEN ChannelStats {
  at::Tensor mean;
  at::Tensor var;
  at::Tensor count;
};

/// All dimensions of an [N, C, …] tensor but the channels'.
STRATA_HIDDEN inline std::vector<int64_t> dims_but_channels(const at::Tensor& x) {
  std::vector<int64_t> dims = {0};
  for (int64_t d = 2; d < x.dim(); ++d) {
    dims.push_back(d);
  }
  return dims;
}

/// [channels] -> [1, channels, 1, …], to broadcast against x.
STRATA_HIDDEN inline at::Tensor along_channels(const at::Tensor& v, const at::Tensor& x) {
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[1] = v.numel();
  return v.view(shape);
}

// One row: means, sums of squared deviations, count. Deviations from the own mean, not plain
// squares, which would cancel.
STRATA_HIDDEN inline at::Tensor local_stats(const at::Tensor& x) {
  const int64_t channels = x.size(1);
  const auto options = x.options().dtype(at::kDouble);
  if (x.numel() == 0) {
    return at::zeros({2 * channels + 1}, options);
  }
  const int64_t rows = x.numel() / channels;
  const at::Tensor count = at::full({1}, static_cast<double>(rows), options);
  const auto [var, mean] = at::var_mean(x, dims_but_channels(x), /*unbiased=*/false);
  return at::cat({mean.to(at::kDouble), var.to(at::kDouble) * count, count});
}

/// Collective. x: [N, C, …], in the dtype to compute in; N may differ between ranks.
/// Source: parallel variance, Chan, Golub & LeVeque 1979, all ranks at once in float64.
STRATA_HIDDEN inline ChannelStats group_stats(const Group& group, const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  const int64_t channels = x.size(1);
  const at::Tensor mine = local_stats(x.detach());
  const at::Tensor all = at::empty({group.size(), mine.numel()}, mine.options());
  group.all_gather(mine.const_data_ptr(), all.mutable_data_ptr(), mine.numel(), STRATA_F64).wait();

  const at::Tensor means = all.narrow(1, 0, channels);
  const at::Tensor squares = all.narrow(1, channels, channels);
  const at::Tensor counts = all.narrow(1, 2 * channels, 1);
  const at::Tensor count = counts.sum();
  const at::Tensor mean = (means * counts).sum(0) / count;
  const at::Tensor var = (squares + (means - mean).square() * counts).sum(0) / count;
  return {mean.to(x.scalar_type()), var.to(x.scalar_type()), count};
}

/// Normalises by given statistics and differentiates through them as what they are: functions of
/// the inputs of all ranks. Backward is collective.
struct STRATA_HIDDEN SyncBatchNormFn : torch::autograd::Function<SyncBatchNormFn> {
  using Context = torch::autograd::AutogradContext;
  using List = torch::autograd::variable_list;

  /// x may be of a reduced type under float32 weight and statistics. weight, bias: both or none.
  static at::Tensor forward(Context* ctx,
                            const at::Tensor& x,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            const ChannelStats& stats,
                            const std::pair<strata_group*, double>& group_eps) {
    const auto [group, eps] = group_eps;
    ctx->save_for_backward({x, weight, stats.mean, at::rsqrt(stats.var + eps), stats.count});
    ctx->saved_data["group"] = reinterpret_cast<int64_t>(group);
    return at::batch_norm(x,
                          weight,
                          bias,
                          stats.mean,
                          stats.var,
                          /*training=*/false,
                          /*momentum=*/0.0,
                          eps,
                          at::globalContext().userEnabledCuDNN());
  }

  static List backward(Context* ctx, const List& grads) {
    if (at::GradMode::is_enabled()) {
      throw Error(STRATA_E_UNSUPPORTED,
                  "batch norm over several ranks has no second derivative; call backward without "
                  "create_graph, or turn sync off");
    }
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& weight = saved[1];
    const at::Tensor& invstd = saved[3];
    const auto dtype = invstd.scalar_type();
    const at::Tensor dy = grads[0].to(dtype);
    const at::Tensor centred = saved[0].to(dtype) - along_channels(saved[2], dy);
    const auto dims = dims_but_channels(dy);
    const at::Tensor sum_dy = dy.sum(dims);
    const at::Tensor sum_dy_centred = (dy * centred).sum(dims);

    at::Tensor sums = at::cat({sum_dy, sum_dy_centred}).to(at::kDouble);
    // Autograd keeps no pointers. NOLINTNEXTLINE(performance-no-int-to-ptr)
    const Group group(reinterpret_cast<strata_group*>(ctx->saved_data["group"].toInt()));
    group.all_reduce(sums.mutable_data_ptr(), sums.numel(), STRATA_F64).wait();
    sums = (sums / saved[4]).to(dtype);
    const int64_t channels = invstd.numel();
    const at::Tensor slope = sums.narrow(0, channels, channels) * invstd.square();
    const at::Tensor scale = weight.defined() ? invstd * weight : invstd;
    const at::Tensor dx = (dy - along_channels(sums.narrow(0, 0, channels), dy) -
                           centred * along_channels(slope, dy)) *
                          along_channels(scale, dy);
    // weight's and bias's gradients stay this rank's own: the strategy reduces them with all
    // others.
    return {dx.to(grads[0].scalar_type()),
            weight.defined() ? sum_dy_centred * invstd : at::Tensor(),
            weight.defined() ? sum_dy : at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace strata::detail
