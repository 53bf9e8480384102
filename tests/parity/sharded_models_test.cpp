// Built-in models on one rank whose units come and go, evicted memory poisoned: to the bit what the
// plain model gives.
#include <cstring>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../unit/unit/flat_strategy.hpp"
#include "gpt2.hpp"
#include "mlp.hpp"
#include "plain_model.hpp"
#include "resnet.hpp"
#include "unit/recompute.hpp"

namespace strata::testing {
namespace {

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.detach().contiguous();
  const at::Tensor y = b.detach().contiguous();
  return x.sizes() == y.sizes() &&
         std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

PlainModel::Named images(const at::Generator& g) {
  return {{"img", at::randn({2, 3, 32, 32}, g)}, {"label", at::randint(0, 10, {2}, g, at::kLong)}};
}

PlainModel::Named texts(const at::Generator& g) {
  return {{"input_ids", at::randint(0, 50, {2, 12}, g, at::kLong)},
          {"labels", at::randint(0, 50, {2, 12}, g, at::kLong)}};
}

template <class M, class Config>
void expect_same_bits_when_sharded(const Config& config,
                                   PlainModel::Named (*draw)(const at::Generator&) = &images,
                                   bool recomputed = false) {
  PlainModel plain(std::make_unique<M>(config));
  auto strategy = std::make_unique<FlatStrategy>();
  const FlatStrategy& flat = *strategy;
  Rank rank(std::make_unique<M>(config), std::move(strategy));
  if (recomputed) {
    rank.model().set_recomputed(unit::repeated_blocks(rank.model().units()));
  }
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(uint64_t{11});

  for (int iter = 0; iter < 2; ++iter) {
    const PlainModel::Named batch = draw(g);
    EXPECT_EQ(rank.backward(batch), plain.backward(batch).template item<float>());
    for (const auto& [name, tensor] : plain.params) {
      const at::Tensor got = rank.gradient(name);
      ASSERT_TRUE(got.defined()) << name;
      EXPECT_TRUE(same_bits(got, tensor.grad())) << name;
    }
    for (size_t i = 0; i < plain.buffers.size(); ++i) {
      EXPECT_TRUE(same_bits(rank.model().buffers()[i].tensor, plain.buffers[i].second))
          << plain.buffers[i].first;
    }
    EXPECT_FALSE(flat.anything_resident());
    rank.step(batch, 0.0);  // clears gradients, and counts a batch in the norms
    plain.forward(batch, Mode::kLoss);
    plain.zero_grad();
  }
}

TEST(ShardedModels, ResNet50WithItsInPlaceBlocksKeepsItsBits) {
  expect_same_bits_when_sharded<resnet::MMResNet50>(resnet::Config{.num_classes = 10});
}

TEST(ShardedModels, MlpKeepsItsBits) {
  expect_same_bits_when_sharded<mlp::Mlp>(mlp::Config{});
}

TEST(RecomputedModels, ResNet50KeepsItsBitsAndRunningStatistics) {
  expect_same_bits_when_sharded<resnet::MMResNet50>(
      resnet::Config{.num_classes = 10}, &images, /*recomputed=*/true);
}

class ShardedGpt2 : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(ShardedGpt2, KeepsItsBits) {
  const auto [tied, recomputed] = GetParam();
  const gpt2::Config config = {.vocab_size = 50,
                               .n_positions = 16,
                               .n_layer = 2,
                               .n_head = 4,
                               .n_embd = 32,
                               .embd_pdrop = 0,
                               .resid_pdrop = 0,
                               .attn_pdrop = 0,
                               .tie_word_embeddings = tied};
  expect_same_bits_when_sharded<gpt2::Gpt2>(config, &texts, recomputed);
}

INSTANTIATE_TEST_SUITE_P(TiedRecomputed,
                         ShardedGpt2,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(Mlp, ReadsImagesOfBytesAndGivesLogits) {
  PlainModel plain(std::make_unique<mlp::Mlp>(
      mlp::Config{.hidden = {8}, .activation = "gelu", .dtype = "float64"}));

  const at::Tensor logits =
      plain.forward({{"img", at::ones({5, 32, 32, 3}, at::kByte)}}, Mode::kPredict).get("logits");

  EXPECT_EQ(logits.sizes(), at::IntArrayRef({5, 10}));
  EXPECT_EQ(logits.scalar_type(), at::kDouble);
  ASSERT_EQ(plain.params.size(), 4);
  EXPECT_EQ(plain.params[0].first, "fc1.weight");
  EXPECT_EQ(plain.params[3].first, "head.bias");
}

TEST(Mlp, ComputesWhatItsLayersSay) {
  PlainModel plain(std::make_unique<mlp::Mlp>(
      mlp::Config{.in_features = 3, .hidden = {4}, .num_classes = 2, .activation = "tanh"}));
  const at::Tensor x = at::arange(6, at::kFloat).view({2, 3});
  const auto& p = plain.params;

  const at::Tensor logits = plain.forward({{"img", x}}, Mode::kPredict).get("logits");

  const at::Tensor hidden = at::tanh(at::linear(x, p[0].second, p[1].second));
  EXPECT_TRUE(same_bits(logits, at::linear(hidden, p[2].second, p[3].second)));
}

TEST(Mlp, SaysWhichInFeaturesWouldFit) {
  PlainModel plain(std::make_unique<mlp::Mlp>(mlp::Config{}));
  try {
    plain.forward({{"img", at::zeros({2, 28, 28})}}, Mode::kPredict);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("set in_features = 784"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace strata::testing
