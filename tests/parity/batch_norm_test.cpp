// The SDK's batch norm on one rank against torch.nn's, and with mixed dtypes against float64.
#include "strata/torch/batch_norm.hpp"

#include <ostream>
#include <tuple>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>

#include "support/parameter_memory.hpp"

namespace strata::testing {
namespace {

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed)) * 1.5 + 0.5;
}

template <class Norm>
void scale_unevenly(Norm& norm) {
  const at::NoGradGuard no_grad;
  norm.weight.copy_(random(norm.weight.sizes(), 1));
  norm.bias.copy_(random(norm.bias.sizes(), 2));
}

at::Tensor output_and_gradient(const at::Tensor& y, const at::Tensor& x) {
  (y * y).sum().backward();
  return at::cat({y.detach().flatten(), x.grad().flatten()});
}

class BatchNormLikeTorch
    : public ::testing::TestWithParam<std::tuple<std::optional<double>, bool, bool>> {};

TEST_P(BatchNormLikeTorch, HasItsNamesAndBits) {
  const auto [momentum, affine, track] = GetParam();
  BatchNorm2dImpl ours(5, {.momentum = momentum, .affine = affine, .track_running_stats = track});
  torch::nn::BatchNorm2dImpl theirs(
      torch::nn::BatchNorm2dOptions(5).momentum(momentum).affine(affine).track_running_stats(
          track));
  give_memory(ours);
  ASSERT_EQ(ours.named_parameters().keys(), theirs.named_parameters().keys());
  ASSERT_EQ(ours.named_buffers().keys(), theirs.named_buffers().keys());
  if (affine) {
    scale_unevenly(ours);
    scale_unevenly(theirs);
  }

  for (uint64_t iter = 0; iter < 4; ++iter) {
    ours.train(iter < 3);
    theirs.train(iter < 3);
    const at::Tensor x = random({4, 5, 3, 2}, 10 + iter).requires_grad_(true);
    const at::Tensor z = x.detach().clone().requires_grad_(true);
    EXPECT_TRUE(
        output_and_gradient(ours.forward(x), x).equal(output_and_gradient(theirs.forward(z), z)))
        << iter;
  }
  for (const auto& item : ours.named_buffers()) {
    EXPECT_TRUE(item.value().equal(*theirs.named_buffers().find(item.key()))) << item.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Options,
                         BatchNormLikeTorch,
                         ::testing::Combine(::testing::Values(std::optional<double>(0.1),
                                                              std::nullopt),
                                            ::testing::Bool(),
                                            ::testing::Bool()));

TEST(BatchNorm, TakesBfloat16UnderFloat32WeightsAsLibTorchDoes) {
  BatchNorm2dImpl norm(5);
  give_memory(norm);
  scale_unevenly(norm);
  const at::Tensor x = random({4, 5, 3, 2}, 3).to(at::kBFloat16);

  const at::Tensor y = norm.forward(x);

  const at::Tensor mean = at::zeros({5});
  const at::Tensor var = at::ones({5});
  EXPECT_TRUE(y.equal(at::batch_norm(x, norm.weight, norm.bias, mean, var, true, 0.1, 1e-5, true)));
  EXPECT_TRUE(norm.running_mean.equal(mean));
}

struct Mix {
  at::ScalarType input;
  at::ScalarType weight;
  at::ScalarType buffer;
  double tolerance;
};

void PrintTo(const Mix& m, std::ostream* out) {
  *out << m.input << '_' << m.weight << '_' << m.buffer;
}

class BatchNormMix : public ::testing::TestWithParam<Mix> {};

TEST_P(BatchNormMix, ComputesInTheWidestAndAnswersInTheInputs) {
  const Mix mix = GetParam();
  BatchNorm2dImpl norm(5);
  BatchNorm2dImpl exact(5, {.dtype = at::kDouble});
  give_memory(norm);
  scale_unevenly(norm);
  norm.weight.set_data(norm.weight.detach().to(mix.weight));
  norm.bias.set_data(norm.bias.detach().to(mix.weight));
  norm.running_mean.set_data(norm.running_mean.to(mix.buffer));
  norm.running_var.set_data(norm.running_var.to(mix.buffer));
  exact.weight.set_data(norm.weight.detach().to(at::kDouble));
  exact.bias.set_data(norm.bias.detach().to(at::kDouble));
  const at::Tensor x = random({8, 5, 3, 2}, 3).to(mix.input).requires_grad_(true);
  const at::Tensor z = x.detach().to(at::kDouble).requires_grad_(true);

  const at::Tensor y = norm.forward(x);
  const at::Tensor reference = exact.forward(z);
  y.sum().backward();
  reference.sum().backward();

  EXPECT_EQ(y.scalar_type(), mix.input);
  EXPECT_EQ(x.grad().scalar_type(), mix.input);
  EXPECT_EQ(norm.weight.grad().scalar_type(), mix.weight);
  EXPECT_EQ(norm.running_mean.scalar_type(), mix.buffer);
  EXPECT_TRUE(at::allclose(y.to(at::kDouble), reference, mix.tolerance, mix.tolerance));
  EXPECT_TRUE(at::allclose(
      norm.running_mean.to(at::kDouble), exact.running_mean, mix.tolerance, mix.tolerance));
  EXPECT_TRUE(at::allclose(
      norm.running_var.to(at::kDouble), exact.running_var, mix.tolerance, mix.tolerance));
}

INSTANTIATE_TEST_SUITE_P(Dtypes,
                         BatchNormMix,
                         ::testing::Values(Mix{at::kBFloat16, at::kBFloat16, at::kFloat, 2e-2},
                                           Mix{at::kHalf, at::kHalf, at::kFloat, 3e-3},
                                           Mix{at::kBFloat16, at::kFloat, at::kFloat, 2e-2},
                                           Mix{at::kFloat, at::kBFloat16, at::kFloat, 1e-6},
                                           Mix{at::kFloat, at::kFloat, at::kBFloat16, 1e-2},
                                           Mix{at::kFloat, at::kDouble, at::kFloat, 1e-6},
                                           Mix{at::kDouble, at::kFloat, at::kFloat, 1e-6},
                                           Mix{at::kHalf, at::kBFloat16, at::kFloat, 3e-3}));

TEST(BatchNorm, RefusesABatchOfOneValueInTraining) {
  BatchNorm1dImpl norm(3);
  give_memory(norm);
  EXPECT_THROW(norm.forward(at::zeros({1, 3})), Error);
  norm.eval();
  EXPECT_EQ(norm.forward(at::zeros({1, 3})).numel(), 3);
}

}  // namespace
}  // namespace strata::testing
