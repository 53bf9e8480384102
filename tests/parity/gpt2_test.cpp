// GPT2 against PyTorch from the same weights, and its parts against what is known of them.
#include "gpt2.hpp"

#include <cmath>
#include <set>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../unit/unit/flat_strategy.hpp"
#include "exchange.hpp"
#include "plain_model.hpp"
#include "support/counting_allocator.hpp"
#include "unit/recompute.hpp"

namespace strata::testing {
namespace {

using gpt2::Gpt2;
using ::testing::HasSubstr;

constexpr int64_t kVocabulary = 50;

gpt2::Config tiny() {
  return {.vocab_size = kVocabulary,
          .n_positions = 16,
          .n_layer = 2,
          .n_head = 4,
          .n_embd = 32,
          .embd_pdrop = 0,
          .resid_pdrop = 0,
          .attn_pdrop = 0};
}

PlainModel::Named text_batch(int64_t batch, int64_t tokens, uint64_t seed) {
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(seed);
  return {{"input_ids", at::randint(0, kVocabulary, {batch, tokens}, g, at::kLong)},
          {"labels", at::randint(0, kVocabulary, {batch, tokens}, g, at::kLong)}};
}

// Fresh biases and norms (0 and 1) would hide one that is forgotten.
void make_vectors_uneven(PlainModel& plain) {
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(3);
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : plain.params) {
    if (tensor.dim() == 1) {
      tensor.add_(at::rand(tensor.sizes(), g, tensor.options().requires_grad(false)) * 0.4 - 0.2);
    }
  }
}

// The gradient without what is zero in truth and noise in fact: softmax does not see a shift of all
// keys, so the middle third of c_attn's bias changes nothing.
at::Tensor without_keys(const std::string& name, const at::Tensor& gradient) {
  if (!name.ends_with("c_attn.bias")) {
    return gradient;
  }
  const int64_t width = gradient.size(0) / 3;
  return at::cat({gradient.narrow(0, 0, width), gradient.narrow(0, 2 * width, width)});
}

struct Case {
  const char* dtype;
  bool tied;
  const char* activation;
  bool scaled;
  double loss_tolerance;
  double gradient_tolerance;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.dtype << (c.tied ? " tied " : " untied ") << c.activation
       << (c.scaled ? "" : " unscaled");
}

class Gpt2LikePyTorch : public ::testing::TestWithParam<Case> {};

TEST_P(Gpt2LikePyTorch, HasItsLossAndGradientsFromTheSameWeights) {
  if (!Exchange::possible()) {
    GTEST_SKIP() << "there is no PyTorch to compare with";
  }
  const Case& c = GetParam();
  gpt2::Config config = tiny();
  config.dtype = c.dtype;
  config.tie_word_embeddings = c.tied;
  config.activation_function = c.activation;
  config.scale_attn_weights = c.scaled;
  config.initializer_range = 0.2;
  PlainModel plain(std::make_unique<Gpt2>(config));
  make_vectors_uneven(plain);
  auto batch = text_batch(3, 16, 5);
  batch[1].second[0].narrow(0, 0, 5).fill_(-100);  // as padding is marked
  const Exchange exchange("gpt2_reference.py");
  exchange.write("param", plain.params);
  exchange.write("input", batch);
  ASSERT_EQ(exchange.run(text("4 ", c.dtype, ' ', c.activation, ' ', c.scaled ? 1 : 0)), 0)
      << "the script refused or failed; its words are above";

  const auto loss = plain.backward(batch).item<double>();

  Exchange::Result expected = exchange.result();
  EXPECT_NEAR(loss / expected.next(at::zeros({})).item<double>(), 1.0, c.loss_tolerance);
  for (const auto& [name, tensor] : plain.params) {
    EXPECT_LE(relative_error(without_keys(name, tensor.grad()),
                             without_keys(name, expected.next(tensor))),
              c.gradient_tolerance)
        << name;
  }
  EXPECT_TRUE(expected.at_end());
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         Gpt2LikePyTorch,
                         ::testing::Values(Case{"float32", true, "gelu_new", true, 1e-6, 1e-4},
                                           Case{"float32", false, "gelu_new", true, 1e-6, 1e-4},
                                           Case{"float64", true, "gelu_new", true, 1e-12, 1e-9},
                                           Case{"float64", false, "gelu_new", true, 1e-12, 1e-9},
                                           Case{"float64", true, "gelu", false, 1e-12, 1e-9},
                                           Case{"float64", true, "relu", true, 1e-12, 1e-9}));

TEST(Gpt2, AllocatesNothingWhenItIsBuilt) {
  const CountingAllocator allocator;
  Gpt2 model(gpt2::Config{});

  const auto root = model.build();

  int64_t elements = 0;
  for (const at::Tensor& p : root->parameters()) {
    elements += p.numel();
    EXPECT_EQ(p.storage().nbytes(), p.numel() * 4);
    EXPECT_THROW(p.const_data_ptr(), c10::Error);
  }
  EXPECT_EQ(elements, 124'439'808 + 50257 * 768);  // the shared one counts twice
  const unit::Model built(wrap<strata::Model, strata_model_api>(
                              std::make_unique<Gpt2>(gpt2::Config{}), nullptr, "GPT2"),
                          1);
  EXPECT_EQ(built.params().size(), 148);
  EXPECT_EQ(allocator.given(), 0);
  EXPECT_GE(at::zeros({100}).numel() * 4, 400);
  EXPECT_GE(allocator.given(), 400);  // it does count
}

// Peak of one forward and backward, beside what was there before.
size_t peak_of_a_step(bool recomputed) {
  gpt2::Config config = tiny();
  config.n_layer = 8;
  CountingAllocator allocator;
  Rank rank(std::make_unique<Gpt2>(config), std::make_unique<FlatStrategy>());
  if (recomputed) {
    rank.model().set_recomputed(unit::repeated_blocks(rank.model().units()));
  }
  const auto batch = text_batch(16, 16, 5);
  rank.step(batch, 0.0);
  const size_t before = allocator.now();
  allocator.take_peak();
  rank.step(batch, 0.0);
  return allocator.take_peak() - before;
}

TEST(Gpt2, KeepsOneBlocksActivationsWhenBlocksAreRecomputed) {
  const size_t kept = peak_of_a_step(false);
  const size_t recomputed = peak_of_a_step(true);

  // Of 8 blocks one is there in full, and the inputs of all: about 1/16 of what a block keeps.
  EXPECT_LT(recomputed, kept / 3) << "of " << kept;
}

TEST(Gpt2, HasTheParametersOfHuggingFaces) {
  gpt2::Config config;
  config.n_positions = 8;
  config.vocab_size = 10;
  const PlainModel tied(std::make_unique<Gpt2>(config));
  config.tie_word_embeddings = false;
  const PlainModel untied(std::make_unique<Gpt2>(config));

  EXPECT_EQ(tied.params.size(), 148);
  ASSERT_EQ(untied.params.size(), 149);
  std::set<std::string> names;
  for (const auto& [name, tensor] : untied.params) {
    names.insert(name);
  }
  for (const char* name : {"transformer.wte.weight",
                           "transformer.wpe.weight",
                           "transformer.h.11.ln_1.bias",
                           "transformer.h.0.attn.c_attn.weight",
                           "transformer.h.0.attn.c_proj.bias",
                           "transformer.h.3.mlp.c_fc.weight",
                           "transformer.h.3.mlp.c_proj.weight",
                           "transformer.ln_f.weight",
                           "lm_head.weight"}) {
    EXPECT_EQ(names.count(name), 1) << name;
  }
  EXPECT_EQ(named(untied.params, "transformer.h.0.attn.c_attn.weight").sizes(),
            at::IntArrayRef({768, 2304}));
  EXPECT_EQ(named(untied.params, "transformer.h.0.mlp.c_fc.weight").sizes(),
            at::IntArrayRef({768, 3072}));
}

TEST(Gpt2, MarksEveryModuleThatOwnsOrContainsParameters) {
  const PlainModel plain(std::make_unique<Gpt2>(tiny()));

  const std::map<std::string, std::string> types(plain.units.begin(), plain.units.end());
  EXPECT_EQ(types.size(), 6 + 2 * 9);
  EXPECT_EQ(types.at("transformer"), "GPT2Model");
  EXPECT_EQ(types.at("transformer.wte"), "Embedding");
  EXPECT_EQ(types.at("transformer.h"), "ModuleList");
  EXPECT_EQ(types.at("transformer.h.1"), "GPT2Block");
  EXPECT_EQ(types.at("transformer.h.1.attn"), "GPT2Attention");
  EXPECT_EQ(types.at("transformer.h.1.attn.c_attn"), "Conv1D");
  EXPECT_EQ(types.at("transformer.h.1.mlp"), "GPT2MLP");
  EXPECT_EQ(types.at("transformer.ln_f"), "LayerNorm");
  EXPECT_EQ(types.at("lm_head"), "Linear");
}

TEST(Gpt2, DrawsInitialValuesAsHuggingFaces) {
  gpt2::Config config = tiny();
  config.n_embd = 256;
  config.n_layer = 8;
  const PlainModel plain(std::make_unique<Gpt2>(config));
  const auto spread = [&](const char* name) {
    return named(plain.params, name).std().item<double>();
  };

  EXPECT_NEAR(spread("transformer.wpe.weight") / 0.02, 1.0, 0.05);
  EXPECT_NEAR(spread("transformer.h.0.attn.c_attn.weight") / 0.02, 1.0, 0.01);
  EXPECT_NEAR(spread("transformer.h.7.attn.c_proj.weight") / (0.02 / 4), 1.0, 0.01);
  EXPECT_NEAR(spread("transformer.h.7.mlp.c_proj.weight") / (0.02 / 4), 1.0, 0.01);
  for (const auto& [name, tensor] : plain.params) {
    if (tensor.dim() == 1) {
      const double value = name.ends_with("weight") ? 1 : 0;
      EXPECT_TRUE(tensor.eq(value).all().item<bool>()) << name;
    }
  }
}

TEST(Gpt2, SeesNoLaterTokens) {
  gpt2::Config config = tiny();
  config.dtype = "float64";
  PlainModel plain(std::make_unique<Gpt2>(config));
  const at::NoGradGuard no_grad;
  const at::Tensor ids = text_batch(2, 12, 1)[0].second;

  const at::Tensor all = plain.forward({{"input_ids", ids}}, Mode::kTensor).get("logits");
  const at::Tensor some =
      plain.forward({{"input_ids", ids.narrow(1, 0, 7)}}, Mode::kPredict).get("logits");

  EXPECT_EQ(all.sizes(), at::IntArrayRef({2, 12, kVocabulary}));
  EXPECT_LE(relative_error(some, all.narrow(1, 0, 7)), 1e-12);
}

TEST(Gpt2, PredictsWithTheLossWhenThereAreLabels) {
  PlainModel plain(std::make_unique<Gpt2>(tiny()));
  const at::NoGradGuard no_grad;
  const auto batch = text_batch(2, 12, 1);

  const Tensors out = plain.forward(batch, Mode::kPredict);

  EXPECT_TRUE(out.get("loss").equal(plain.forward(batch, Mode::kLoss).get("loss")));
  EXPECT_FALSE(plain.forward({batch[0]}, Mode::kPredict).has("loss"));
}

// As a strategy binds memory of another type than the model was built with.
TEST(Gpt2, ComputesInTheDtypeThatItsParametersWereGiven) {
  PlainModel plain(std::make_unique<Gpt2>(tiny()));
  const auto batch = text_batch(3, 16, 5);
  const auto exact = plain.backward(batch).item<double>();
  plain.zero_grad();
  for (auto& [name, tensor] : plain.params) {
    tensor.set_data(tensor.detach().to(at::kBFloat16));
  }

  const at::Tensor loss = plain.backward(batch);

  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_NEAR(loss.item<double>(), exact, 0.01 * exact);
  EXPECT_EQ(plain.forward(batch, Mode::kTensor).get("logits").scalar_type(), at::kBFloat16);
  for (const auto& [name, tensor] : plain.params) {
    EXPECT_EQ(tensor.grad().scalar_type(), at::kBFloat16) << name;
  }
}

TEST(Gpt2, DropsOutInTrainingAlone) {
  const auto differs = [](const gpt2::Config& config, bool training) {
    PlainModel plain(std::make_unique<Gpt2>(config));
    plain.model->set_training(training);
    const auto batch = text_batch(2, 12, 1);
    const at::NoGradGuard no_grad;
    const at::Tensor first = plain.forward(batch, Mode::kTensor).get("logits");
    return !first.equal(plain.forward(batch, Mode::kTensor).get("logits"));
  };
  for (double gpt2::Config::* const rate :
       {&gpt2::Config::embd_pdrop, &gpt2::Config::resid_pdrop, &gpt2::Config::attn_pdrop}) {
    gpt2::Config config = tiny();
    EXPECT_FALSE(differs(config, true));
    config.*rate = 0.5;
    EXPECT_TRUE(differs(config, true));
    EXPECT_FALSE(differs(config, false));
  }
}

std::string refusal(const PlainModel::Named& batch) {
  PlainModel plain(std::make_unique<Gpt2>(tiny()));
  try {
    plain.forward(batch, Mode::kLoss);
  } catch (const Error& e) {
    return e.message();
  }
  return {};
}

TEST(Gpt2, NamesWhatItCannotRead) {
  auto batch = text_batch(2, 12, 1);
  EXPECT_EQ(refusal(batch), "");

  batch[0].second[1][3] = kVocabulary;
  EXPECT_THAT(refusal(batch), HasSubstr("has the token 50, and the model knows 0 to 49"));
  batch[0].second[1][3] = -1;
  EXPECT_THAT(refusal(batch), HasSubstr("has the token -1"));
  EXPECT_THAT(refusal(text_batch(2, 17, 1)),
              HasSubstr("17 tokens, and the model n_positions = 16"));
  batch = text_batch(2, 12, 1);
  batch[1].second[0][0] = 77;
  EXPECT_THAT(refusal(batch), HasSubstr("\"labels\" has 77"));
  EXPECT_THAT(refusal({batch[0], {"labels", batch[1].second.narrow(1, 0, 11)}}),
              HasSubstr("\"labels\" is [2, 11] and \"input_ids\" [2, 12]"));
  EXPECT_THAT(refusal({{"input_ids", at::zeros({2, 12})}}), HasSubstr("Float [2, 12]"));
}

TEST(Gpt2, RefusesHeadsThatDoNotDivideTheWidth) {
  gpt2::Config config = tiny();
  config.n_head = 5;
  EXPECT_THROW(const Gpt2 model(config), Error);
}

}  // namespace
}  // namespace strata::testing
