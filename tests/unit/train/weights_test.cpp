// Weights: a file's names and a model's, for GPT2 and the files that others write of it.
#include "train/weights.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.hpp"
#include "config/parse.hpp"
#include "gpt2.hpp"
#include "support/image_files.hpp"
#include "unit/unit/harness.hpp"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A file under construction: every tensor is filled with one number, by which it is known again.
class Stored {
 public:
  void put(const std::string& name, at::IntArrayRef shape, double value) {
    put(name, at::full(shape, value));
  }

  void put(const std::string& name, const at::Tensor& value) {
    values_.push_back(value);
    sources_.push_back({name, STRATA_F32, value.sizes().vec(), value.const_data_ptr(), {}});
  }

  void write(const std::filesystem::path& path) const {
    checkpoint::write_safetensors(path, sources_);
  }

 private:
  std::vector<at::Tensor> values_;
  std::vector<checkpoint::TensorSource> sources_;
};

class Gpt2Weights : public ::testing::Test {
 protected:
  explicit Gpt2Weights(bool tied = true) {
    install_host();
    gpt2::Config config{.vocab_size = 11, .n_positions = 5, .n_layer = 2, .n_head = 2, .n_embd = 4};
    config.tie_word_embeddings = tied;
    model_ =
        std::make_unique<unit::Model>(wrap<strata::Model, strata_model_api>(
                                          std::make_unique<gpt2::Gpt2>(config), nullptr, "GPT2"),
                                      1);
  }

  static double number_of(const std::string& name) {
    return static_cast<double>(unit::seed_of(0, name) % 1000);
  }

  /// Puts all parameters under names that `rename` makes of their own.
  template <class F>
  void put_all(F&& rename) {
    for (const unit::Param& p : model_->params()) {
      stored_.put(rename(p.name), p.tensor.sizes(), number_of(p.name));
    }
  }

  /// Fills every parameter. Returns what did not fit.
  std::string load() {
    stored_.write(path());
    train::Weights weights(path(), rules_);
    weights.match(*model_);
    for (const unit::Param& p : model_->params()) {
      const at::Tensor out = at::full(p.tensor.sizes(), -1.0);
      weights.fill(p.name, out);
      filled_[p.name] = out.flatten()[0].item<double>();
    }
    return weights.misfits();
  }

  void expect_all_right() {
    EXPECT_EQ(load(), "");
    for (const auto& [name, value] : filled_) {
      EXPECT_EQ(value, number_of(name)) << name;
    }
  }

  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "model.safetensors"; }

  test::TempFolder folder_;
  std::unique_ptr<unit::Model> model_;
  Stored stored_;
  train::WeightRules rules_;
  std::map<std::string, double> filled_;
};

struct UntiedGpt2Weights : Gpt2Weights {
  UntiedGpt2Weights() : Gpt2Weights(false) {}
};

std::string without_prefix(const std::string& name) {
  return name.substr(std::string("transformer.").size());
}

TEST_F(Gpt2Weights, FitUnderTheirOwnNames) {
  put_all([](const std::string& name) { return name; });
  expect_all_right();
}

TEST_F(Gpt2Weights, FitBehindTheNameOfAWrapper) {
  put_all([](const std::string& name) { return "module." + name; });
  expect_all_right();
}

TEST_F(Gpt2Weights, FitWithoutTheTransformersPrefixAndWithOldMasks) {
  stored_.put("h.0.attn.bias", {1, 1, 5, 5}, 1);
  stored_.put("h.1.attn.masked_bias", {1}, -1e4);
  put_all(&without_prefix);
  expect_all_right();
}

TEST_F(Gpt2Weights, TheHeadOfAFileGivesWayToTheEmbeddingThatIsTiedToIt) {
  stored_.put("lm_head.weight", {11, 4}, 123456);
  put_all(&without_prefix);
  expect_all_right();
}

TEST_F(Gpt2Weights, TheHeadAloneFillsTheEmbeddingThatIsTiedToIt) {
  put_all([](const std::string& name) {
    return name == "transformer.wte.weight" ? "lm_head.weight" : name;
  });
  expect_all_right();
}

TEST_F(UntiedGpt2Weights, NeedAHeadOfTheirOwn) {
  put_all([](const std::string& name) { return name; });
  expect_all_right();
}

TEST_F(UntiedGpt2Weights, WhatIsMissingUnexpectedOrOfAnotherShapeIsNamed) {
  put_all([](const std::string& name) { return name == "lm_head.weight" ? "lm_head.bias" : name; });
  stored_.put("h.7.ln_1.weight", {4}, 1);

  const std::string misfits = load();

  EXPECT_THAT(misfits,
              HasSubstr("missing in the file, left at their initial values: lm_head.weight"));
  EXPECT_THAT(misfits,
              HasSubstr("unexpected in the file, not used: lm_head.bias, h.7.ln_1.weight"));
  EXPECT_EQ(filled_.at("lm_head.weight"), -1.0);
}

TEST_F(Gpt2Weights, OfAnotherShapeAreNamedWithBothShapes) {
  put_all(
      [](const std::string& name) { return name == "transformer.wpe.weight" ? "unused" : name; });
  stored_.put("wpe.weight", {1024, 4}, 1);

  EXPECT_THAT(load(), HasSubstr("transformer.wpe.weight (file [1024, 4], model [5, 4])"));
}

// The positions' embedding of the file counts 0, 1, 2, …
class CountedWeights : public Gpt2Weights {
 protected:
  CountedWeights() {
    stored_.put(kName, at::arange(20).to(at::kFloat).view({5, 4}));
    stored_.write(path());
    weights_ = std::make_unique<train::Weights>(path());
    weights_->match(*model_);
  }

  static constexpr const char* kName = "transformer.wpe.weight";
  std::unique_ptr<train::Weights> weights_;
};

TEST_F(CountedWeights, FillMemoryOfAnyStridesAndType) {
  const at::Tensor expected = at::arange(20).view({5, 4});
  const at::Tensor doubles = at::full({5, 4}, -1.0, at::TensorOptions().dtype(at::kDouble));
  const at::Tensor columns = at::full({4, 5}, -1.0, at::TensorOptions().dtype(at::kHalf)).t();

  EXPECT_TRUE(weights_->fill(kName, doubles));
  EXPECT_TRUE(weights_->fill(kName, columns));

  EXPECT_TRUE(doubles.equal(expected.to(at::kDouble)));
  EXPECT_TRUE(columns.equal(expected.to(at::kHalf)));
}

TEST_F(CountedWeights, FillSlicesThatCutARow) {
  const at::Tensor floats = at::full({7}, -1.0);
  const at::Tensor halves = at::full({7}, -1.0, at::TensorOptions().dtype(at::kBFloat16));

  EXPECT_TRUE(weights_->fill_slice(kName, {5, 4}, 6, 7, floats));
  EXPECT_TRUE(weights_->fill_slice(kName, {5, 4}, 6, 7, halves));

  const at::Tensor expected = at::arange(6, 13).to(at::kFloat);
  EXPECT_TRUE(floats.equal(expected));
  EXPECT_TRUE(halves.equal(expected.to(at::kBFloat16)));
}

TEST_F(CountedWeights, FillNoSliceOfAnotherNameOrShape) {
  const at::Tensor out = at::full({2}, -1.0);

  EXPECT_FALSE(weights_->fill_slice(kName, {4, 5}, 0, 2, out));
  EXPECT_FALSE(weights_->fill_slice("transformer.wte.weight", {5, 4}, 0, 2, out));
  EXPECT_TRUE(out.equal(at::full({2}, -1.0)));
}

TEST_F(CountedWeights, RefuseASliceThatIsNotWhatItSays) {
  EXPECT_THROW(weights_->fill_slice(kName, {5, 4}, 0, 3, at::full({2}, 0.0)), Error);
  EXPECT_THROW(weights_->fill_slice(kName, {5, 4}, 19, 2, at::full({2}, 0.0)), Error);
}

TEST_F(Gpt2Weights, GoByRevisedNames) {
  put_all([](const std::string& name) { return "model.backbone." + name; });
  rules_.revise_keys = train::read_revisions(config::parse_toml_value(
      R"([['^model\.', ''], ['^back(bone)\.', '\1/'], ['^bone/', '']])", {}));
  expect_all_right();
}

TEST_F(Gpt2Weights, ThatDoNotFitAreRefusedStrictlyWithAllNames) {
  put_all([](const std::string& name) {
    return name == "transformer.wpe.weight" ? "transformer.wpe.bias" : name;
  });
  stored_.put("module.transformer.wpe.weight", {2, 4}, 1);
  stored_.put("extra.num_batches_tracked", {1}, 1);
  rules_.strict = true;
  rules_.where = "run.toml:7";

  try {
    load();
    FAIL() << "nothing is refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    EXPECT_EQ(e.where(), "run.toml:7");
    EXPECT_THAT(e.message(),
                HasSubstr("\n  unexpected in the file, not used: transformer.wpe.bias\n"));
    EXPECT_THAT(e.message(),
                HasSubstr("of another shape: transformer.wpe.weight (file [2, 4], model [5, 4])"));
    EXPECT_THAT(e.message(), Not(HasSubstr("num_batches_tracked")));
  }
  EXPECT_TRUE(filled_.empty());
}

}  // namespace
}  // namespace strata::testing
