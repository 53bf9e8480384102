// The SDK's layers for transformers against LibTorch's, and their initial values.
#include <ostream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "strata/torch/init.hpp"
#include "strata/torch/transformer_layers.hpp"

#include "support/parameter_memory.hpp"

namespace strata::testing {
namespace {

at::Tensor standard_normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed));
}

struct TwoTypes {
  at::ScalarType input;
  at::ScalarType weight;
  double tolerance;
};

void PrintTo(const TwoTypes& m, std::ostream* out) {
  *out << m.input << '_' << m.weight;
}

class LayerNormMix : public ::testing::TestWithParam<TwoTypes> {};

TEST_P(LayerNormMix, ComputesInTheWiderAndAnswersInTheInputs) {
  const TwoTypes mix = GetParam();
  LayerNormImpl norm({.width = 16, .dtype = mix.weight});
  give_memory(norm);
  {
    const at::NoGradGuard no_grad;
    norm.weight.copy_(standard_normal({16}, 1));
    norm.bias.copy_(standard_normal({16}, 2));
  }
  const at::Tensor x = standard_normal({4, 3, 16}, 3).to(mix.input).requires_grad_(true);

  const at::Tensor y = norm.forward(x);
  y.sum().backward();

  const at::Tensor exact = at::layer_norm(
      x.detach().to(at::kDouble), {16}, norm.weight.to(at::kDouble), norm.bias.to(at::kDouble));
  EXPECT_EQ(y.scalar_type(), mix.input);
  EXPECT_EQ(x.grad().scalar_type(), mix.input);
  EXPECT_EQ(norm.weight.grad().scalar_type(), mix.weight);
  EXPECT_TRUE(at::allclose(y.to(at::kDouble), exact, mix.tolerance, mix.tolerance));
}

INSTANTIATE_TEST_SUITE_P(Dtypes,
                         LayerNormMix,
                         ::testing::Values(TwoTypes{at::kFloat, at::kFloat, 1e-5},
                                           TwoTypes{at::kDouble, at::kDouble, 1e-13},
                                           TwoTypes{at::kBFloat16, at::kBFloat16, 3e-2},
                                           TwoTypes{at::kBFloat16, at::kFloat, 3e-2},
                                           TwoTypes{at::kFloat, at::kBFloat16, 1e-5},
                                           TwoTypes{at::kHalf, at::kBFloat16, 3e-3},
                                           TwoTypes{at::kFloat, at::kDouble, 1e-5}));

TEST(Conv1D, IsALinearLayerOfTheTransposedWeight) {
  Conv1DImpl layer({.in = 6, .out = 4});
  give_memory(layer);
  {
    const at::NoGradGuard no_grad;
    layer.weight.copy_(standard_normal({6, 4}, 1));
    layer.bias.copy_(standard_normal({4}, 2));
  }
  const at::Tensor x = standard_normal({2, 3, 5, 6}, 3).transpose(0, 2);

  const at::Tensor y = layer.forward(x);

  EXPECT_EQ(y.sizes(), at::IntArrayRef({5, 3, 2, 4}));
  EXPECT_TRUE(at::allclose(y, at::linear(x, layer.weight.t(), layer.bias), 1e-5, 1e-6));
}

TEST(Hollow, ThrowsWhenItIsReadOrWritten) {
  const at::Tensor empty = hollow({2, 3}, at::kBFloat16);

  EXPECT_EQ(empty.sizes(), at::IntArrayRef({2, 3}));
  EXPECT_TRUE(empty.is_contiguous());
  EXPECT_EQ(empty.storage().nbytes(), 12);
  EXPECT_ANY_THROW(empty.sum());
  EXPECT_ANY_THROW(empty.zero_());
}

TEST(DefaultInit, DrawsConv1DAsHuggingFaceAndEmbeddingAsTorch) {
  Conv1DImpl layer({.in = 200, .out = 100});
  EmbeddingImpl table({.count = 200, .width = 100});
  give_memory(layer);
  give_memory(table);
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(uint64_t{1});
  const at::NoGradGuard no_grad;

  default_init(layer, "weight", layer.weight, g);
  default_init(layer, "bias", layer.bias, g);
  default_init(table, "weight", table.weight, g);

  EXPECT_NEAR(layer.weight.std().item<double>() / 0.02, 1.0, 0.02);
  EXPECT_TRUE(layer.bias.eq(0).all().item<bool>());
  EXPECT_NEAR(table.weight.std().item<double>(), 1.0, 0.02);
}

}  // namespace
}  // namespace strata::testing
