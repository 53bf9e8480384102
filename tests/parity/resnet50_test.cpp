// MMResNet50 against PyTorch's ResNet-50 from the same weights, and its parts against what is known
// of them.
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exchange.hpp"
#include "plain_model.hpp"
#include "resnet.hpp"

namespace strata::testing {
namespace {

using resnet::MMResNet50;

PlainModel::Named random_batch(int64_t batch, int64_t classes, uint64_t seed) {
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(seed);
  return {{"img", at::randn({batch, 3, 32, 32}, g)},
          {"label", at::randint(0, classes, {batch}, g, at::kLong)}};
}

// Fresh norms (1 and 0) would hide a forgotten scale or shift.
void make_norms_uneven(PlainModel& plain) {
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(3);
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : plain.params) {
    if (tensor.dim() == 1) {
      tensor.add_(at::rand(tensor.sizes(), g) * 0.4 - 0.2);
    }
  }
  for (auto& [name, tensor] : plain.buffers) {
    if (tensor.dim() == 1) {
      tensor.add_(at::rand(tensor.sizes(), g) * 0.4);
    }
  }
}

TEST(MMResNet50, AgreesWithPyTorchFromTheSameWeights) {
  if (!Exchange::possible()) {
    GTEST_SKIP() << "there is no PyTorch to compare with";
  }
  PlainModel plain(std::make_unique<MMResNet50>(resnet::Config{}));
  make_norms_uneven(plain);
  const auto batch = random_batch(8, 1000, 5);
  Exchange exchange("resnet50_reference.py");
  exchange.write("param", plain.params);
  exchange.write("buffer", plain.buffers);
  exchange.write("input", batch);
  ASSERT_EQ(exchange.run(), 0) << "the script refused or failed; its words are above";

  const float loss = plain.backward(batch).item<float>();

  Exchange::Result expected = exchange.result();
  EXPECT_NEAR(loss / expected.next(at::zeros({})).item<double>(), 1.0, 1e-6);
  for (const auto& [name, tensor] : plain.params) {
    EXPECT_LE(relative_error(tensor.grad(), expected.next(tensor)), 1e-4) << name;
  }
  for (const auto& [name, tensor] : plain.buffers) {
    EXPECT_LE(relative_error(tensor, expected.next(tensor)), 1e-5) << name;
  }
  EXPECT_TRUE(expected.at_end());
}

TEST(MMResNet50, HasTheParametersOfTorchvision) {
  const PlainModel plain(std::make_unique<MMResNet50>(resnet::Config{}));

  int64_t elements = 0;
  for (const auto& [name, tensor] : plain.params) {
    elements += tensor.numel();
  }
  EXPECT_EQ(plain.params.size(), 161);
  EXPECT_EQ(elements, 25'557'032);
  EXPECT_EQ(plain.buffers.size(), 159);  // 53 norms with 3 each
}

TEST(MMResNet50, MarksEveryModuleThatOwnsOrContainsParameters) {
  const PlainModel plain(std::make_unique<MMResNet50>(resnet::Config{}));

  // 53 convolutions, 53 norms, 4 downsamples, 16 blocks, 4 layers, fc.
  EXPECT_EQ(plain.units.size(), 131);
  const auto type_of = [&](const std::string& name) {
    for (const auto& [unit, type] : plain.units) {
      if (unit == name) {
        return type;
      }
    }
    return std::string();
  };
  EXPECT_EQ(type_of("layer2.0"), "Bottleneck");
  EXPECT_EQ(type_of("layer2.0.downsample.1"), "BatchNorm2d");
  EXPECT_EQ(type_of("conv1"), "Conv2d");
  EXPECT_EQ(type_of("fc"), "Linear");
}

TEST(MMResNet50, DrawsInitialValuesAsTorchvision) {
  const PlainModel plain(std::make_unique<MMResNet50>(resnet::Config{.zero_init_residual = true}));

  // He et al., mode fan_out: sqrt(2 / (64 * 7 * 7)), sqrt(2 / (512 * 3 * 3)). 9408 and 2359296
  // draws.
  EXPECT_NEAR(
      named(plain.params, "conv1.weight").std().item<double>() / std::sqrt(2.0 / 3136), 1.0, 0.03);
  EXPECT_NEAR(
      named(plain.params, "layer4.1.conv2.weight").std().item<double>() / std::sqrt(2.0 / 4608),
      1.0,
      0.003);
  const at::Tensor fc = named(plain.params, "fc.weight").abs();
  EXPECT_LE(fc.max().item<double>(), 1 / std::sqrt(2048.0));
  EXPECT_NEAR(fc.mean().item<double>(), 0.5 / std::sqrt(2048.0), 1e-4);
  EXPECT_TRUE(named(plain.params, "layer1.0.bn2.weight").eq(1).all().item<bool>());
  EXPECT_TRUE(named(plain.params, "layer1.0.bn2.bias").eq(0).all().item<bool>());
  EXPECT_TRUE(named(plain.params, "layer3.5.bn3.weight").eq(0).all().item<bool>());
}

TEST(MMResNet50, PredictsWithRunningStatisticsInEvaluation) {
  PlainModel plain(
      std::make_unique<MMResNet50>(resnet::Config{.num_classes = 10, .dtype = "float64"}));
  const auto batch = random_batch(4, 10, 6);
  plain.model->set_training(false);
  const at::NoGradGuard no_grad;

  const at::Tensor all = plain.forward(batch, Mode::kPredict).get("logits");
  const at::Tensor one =
      plain.forward({{"img", batch[0].second.narrow(0, 2, 1)}}, Mode::kPredict).get("logits");

  EXPECT_EQ(all.sizes(), at::IntArrayRef({4, 10}));
  EXPECT_LE(relative_error(one[0], all[2]),
            1e-12);  // a sample's result does not depend on its neighbours
}

TEST(MMResNet50, NamesTheShapeOfImagesItCannotRead) {
  PlainModel plain(std::make_unique<MMResNet50>(resnet::Config{.num_classes = 10}));
  try {
    plain.forward({{"img", at::zeros({2, 32, 32, 3}, at::kByte)}}, Mode::kPredict);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("[2, 32, 32, 3]"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace strata::testing
