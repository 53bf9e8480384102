// RandomClassification and RandomTokens: what is in a sample, what it depends on, refusals.
#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sample_host.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;
using DatasetObject = border::Object<strata_dataset_api>;

struct Drawn {
  std::vector<float> img;
  int64_t label;

  bool operator==(const Drawn&) const = default;
};

class RandomSamples : public testing::Test {
 protected:
  DatasetObject make(const std::string& config) {
    return plugin.create<strata_dataset_api>("RandomClassification", config);
  }

  Drawn draw(const DatasetObject& object, int64_t index) {
    object.call(&strata_dataset_api::get, index, &sample);
    const strata_array& img = sample.fields.get("img");
    EXPECT_EQ(data::layout_text(img), "f32 [8, 8]");
    EXPECT_EQ(data::layout_text(sample.fields.get("label")), "i64 []");
    const auto* const values = static_cast<const float*>(img.data);
    return {{values, values + 64}, *static_cast<const int64_t*>(sample.fields.get("label").data)};
  }

  PluginFile plugin{"dataset_random"};
  strata_sample sample;
};

TEST_F(RandomSamples, HaveMeanZeroVarianceOneAndEveryLabel) {
  const DatasetObject object = make(R"({"shape": [8, 8], "num_classes": 3})");
  double sum = 0;
  double squares = 0;
  std::vector<int> labels(3);
  for (int64_t i = 0; i < 300; ++i) {
    const Drawn drawn = draw(object, i);
    for (const float value : drawn.img) {
      sum += value;
      squares += double{value} * value;
    }
    ++labels.at(static_cast<size_t>(drawn.label));
  }
  constexpr double kCount = 300 * 64;
  EXPECT_NEAR(sum / kCount, 0, 0.03);
  EXPECT_NEAR(squares / kCount, 1, 0.03);
  EXPECT_THAT(labels, testing::Each(testing::Gt(60)));
}

TEST_F(RandomSamples, DependOnSeedAndIndexAlone) {
  const DatasetObject one = make(R"({"shape": [8, 8], "seed": 1})");
  const DatasetObject again = make(R"({"shape": [8, 8], "seed": 1, "size": 7})");
  const DatasetObject other = make(R"({"shape": [8, 8], "seed": 2})");

  EXPECT_EQ(draw(one, 5), draw(again, 5));
  EXPECT_NE(draw(one, 5).img, draw(one, 6).img);
  EXPECT_NE(draw(one, 5).img, draw(other, 5).img);
}

TEST_F(RandomSamples, RefusesAnEmptyExtentAndAnIndexOutside) {
  EXPECT_THAT(error_of([&] { make(R"({"shape": [8, 0]})"); }), HasSubstr("each 1 or more"));
  const DatasetObject object = make(R"({"size": 10})");
  EXPECT_THAT(error_of([&] { object.call(&strata_dataset_api::get, int64_t{10}, &sample); }),
              HasSubstr("no sample 10; it has 10"));
}

class RandomTokens : public testing::Test {
 protected:
  struct Drawn {
    std::vector<int64_t> input_ids;
    std::vector<int64_t> labels;
  };

  DatasetObject make(const std::string& config) {
    return plugin.create<strata_dataset_api>("RandomTokens", config);
  }

  Drawn draw(const DatasetObject& object, int64_t index) {
    object.call(&strata_dataset_api::get, index, &sample);
    return {field("input_ids"), field("labels")};
  }

  std::vector<int64_t> field(const char* name) {
    const strata_array& array = sample.fields.get(name);
    EXPECT_EQ(data::layout_text(array), "i64 [300]");
    const auto* const values = static_cast<const int64_t*>(array.data);
    return {values, values + 300};
  }

  PluginFile plugin{"dataset_random"};
  strata_sample sample;
};

TEST_F(RandomTokens, HaveEveryTokenAndLabelsThatAreTheNextInput) {
  const DatasetObject object = make(R"({"seq_len": 300, "vocab_size": 3})");
  const Drawn drawn = draw(object, 4);
  std::vector<int> counts(3);
  for (const int64_t token : drawn.input_ids) {
    ++counts.at(static_cast<size_t>(token));
  }
  EXPECT_THAT(counts, testing::Each(testing::Gt(60)));
  EXPECT_TRUE(std::equal(drawn.input_ids.begin() + 1, drawn.input_ids.end(), drawn.labels.begin()));
  EXPECT_THAT(drawn.labels.back(), testing::AllOf(testing::Ge(0), testing::Lt(3)));
}

TEST_F(RandomTokens, DependOnSeedAndIndexAlone) {
  const DatasetObject one = make(R"({"seq_len": 300, "seed": 1})");
  const DatasetObject again = make(R"({"seq_len": 300, "seed": 1, "size": 7})");
  const DatasetObject other = make(R"({"seq_len": 300, "seed": 2})");

  EXPECT_EQ(draw(one, 5).input_ids, draw(again, 5).input_ids);
  EXPECT_NE(draw(one, 5).input_ids, draw(one, 6).input_ids);
  EXPECT_NE(draw(one, 5).input_ids, draw(other, 5).input_ids);
}

TEST_F(RandomTokens, RefuseAnIndexOutside) {
  const DatasetObject object = make(R"({"size": 10})");
  EXPECT_THAT(error_of([&] { object.call(&strata_dataset_api::get, int64_t{10}, &sample); }),
              HasSubstr("no sample 10; it has 10"));
}

}  // namespace
}  // namespace strata::test
