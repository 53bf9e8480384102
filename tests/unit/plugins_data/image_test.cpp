// The image transforms against values worked out by hand from torchvision's definitions.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sample_host.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using TransformObject = border::Object<strata_transform_api>;

class ImageTransforms : public testing::Test {
 protected:
  TransformObject make(const std::string& type, const std::string& config = "{}") {
    return plugin.create<strata_transform_api>(type, config);
  }

  void set_image(const std::vector<int64_t>& shape, const std::vector<uint8_t>& values) {
    sample.fields.clear();
    const strata_array made = sample.fields.make("img", STRATA_U8, shape);
    std::memcpy(made.data, values.data(), values.size());
  }

  void set_floats(const std::vector<int64_t>& shape, const std::vector<float>& values) {
    sample.fields.clear();
    const strata_array made = sample.fields.make("img", STRATA_F32, shape);
    std::memcpy(made.data, values.data(), values.size() * sizeof(float));
  }

  void apply(const TransformObject& transform) {
    transform.call(&strata_transform_api::apply, &sample);
  }

  template <class T>
  [[nodiscard]] std::vector<T> values() const {
    const strata_array& img = sample.fields.get("img");
    const auto* const from = static_cast<const T*>(img.data);
    return {from, from + data::byte_size(img) / sizeof(T)};
  }

  [[nodiscard]] std::string layout() const { return data::layout_text(sample.fields.get("img")); }

  PluginFile plugin{"transform_image"};
  strata_sample sample;
};

TEST_F(ImageTransforms, ToTensorPutsChannelsFirstAndDividesBy255) {
  set_image({2, 2, 3}, {0, 51, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9});

  apply(make("ToTensor"));

  EXPECT_EQ(layout(), "f32 [3, 2, 2]");
  EXPECT_THAT(values<float>(),
              ElementsAre(0.0F,
                          1.0F / 255.0F,
                          4.0F / 255.0F,
                          7.0F / 255.0F,  // red
                          0.2F,
                          2.0F / 255.0F,
                          5.0F / 255.0F,
                          8.0F / 255.0F,  // green
                          1.0F,
                          3.0F / 255.0F,
                          6.0F / 255.0F,
                          9.0F / 255.0F));  // blue
}

TEST_F(ImageTransforms, NormalizeSubtractsAndDividesEachChannelInFloat32) {
  set_floats({3, 1, 2}, {0.0F, 1.0F, 0.5F, 0.25F, 0.125F, 0.75F});

  apply(make("Normalize", R"({"mean": [0.491, 0.482, 0.447], "std": [0.202, 0.199, 0.201]})"));

  EXPECT_THAT(values<float>(),
              ElementsAre((0.0F - 0.491F) / 0.202F,
                          (1.0F - 0.491F) / 0.202F,
                          (0.5F - 0.482F) / 0.199F,
                          (0.25F - 0.482F) / 0.199F,
                          (0.125F - 0.447F) / 0.201F,
                          (0.75F - 0.447F) / 0.201F));
}

TEST_F(ImageTransforms, NormalizeTakesOneMeanForAllChannels) {
  set_floats({2, 1, 1}, {1.0F, 3.0F});

  apply(make("Normalize", R"({"mean": [1], "std": [4]})"));

  EXPECT_THAT(values<float>(), ElementsAre(0.0F, 0.5F));
}

TEST_F(ImageTransforms, FlipMirrorsPixelsAndKeepsTheirChannels) {
  set_image({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});

  apply(make("RandomHorizontalFlip", R"({"p": 1.0})"));

  EXPECT_THAT(values<uint8_t>(), ElementsAre(5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8));
}

TEST_F(ImageTransforms, FlipWithProbabilityZeroLeavesTheImage) {
  set_image({1, 2, 1}, {1, 2});

  apply(make("RandomHorizontalFlip", R"({"p": 0.0})"));

  EXPECT_THAT(values<uint8_t>(), ElementsAre(1, 2));
}

TEST_F(ImageTransforms, FlipHitsHalfOfTheImages) {
  const TransformObject flip = make("RandomHorizontalFlip");
  int flipped = 0;

  for (int64_t i = 0; i < 4000; ++i) {
    set_image({1, 2, 1}, {1, 2});
    sample.random = data::RandomStream(data::stream_key({0, 0, 0, i}));
    apply(flip);
    flipped += values<uint8_t>()[0] == 2 ? 1 : 0;
  }

  EXPECT_NEAR(flipped, 2000, 160);  // 5 standard deviations of a fair coin
}

TEST_F(ImageTransforms, CropOfTheWholeImageIsTheImage) {
  set_image({2, 2, 1}, {1, 2, 3, 4});

  apply(make("RandomCrop", R"({"size": 2})"));

  EXPECT_THAT(values<uint8_t>(), ElementsAre(1, 2, 3, 4));
}

TEST_F(ImageTransforms, CropCanReachEveryWindowOfThePaddedImageAndNoOther) {
  // 2 x 2 with one pixel of padding on each side is 4 x 4: nine windows of 2 x 2.
  const std::set<std::vector<uint8_t>> windows = {{9, 9, 9, 1},
                                                  {9, 9, 1, 2},
                                                  {9, 9, 2, 9},
                                                  {9, 1, 9, 3},
                                                  {1, 2, 3, 4},
                                                  {2, 9, 4, 9},
                                                  {9, 3, 9, 9},
                                                  {3, 4, 9, 9},
                                                  {4, 9, 9, 9}};
  const TransformObject crop = make("RandomCrop", R"({"size": [2, 2], "padding": 1, "fill": 9})");
  std::set<std::vector<uint8_t>> seen;

  for (int64_t i = 0; i < 300; ++i) {
    set_image({2, 2, 1}, {1, 2, 3, 4});
    sample.random = data::RandomStream(data::stream_key({0, 0, 0, i}));
    apply(crop);
    seen.insert(values<uint8_t>());
  }

  EXPECT_EQ(seen, windows);
}

TEST_F(ImageTransforms, CropPadsLeftTopRightBottom) {
  set_image({1, 1, 1}, {5});

  apply(make("RandomCrop", R"({"size": [3, 2], "padding": [1, 2, 0, 0]})"));

  EXPECT_EQ(layout(), "u8 [3, 2, 1]");
  EXPECT_THAT(values<uint8_t>(), ElementsAre(0, 0, 0, 0, 0, 5));
}

TEST_F(ImageTransforms, CropFillsEachChannelWithItsOwnValue) {
  set_image({1, 1, 3}, {1, 2, 3});

  apply(make("RandomCrop", R"({"size": [1, 2], "padding": [1, 0, 0, 0], "fill": [7, 8, 9]})"));

  EXPECT_THAT(values<uint8_t>(), ElementsAre(7, 8, 9, 1, 2, 3));
}

TEST_F(ImageTransforms, CropLargerThanTheImageIsRefused) {
  set_image({2, 2, 1}, {1, 2, 3, 4});
  const TransformObject crop = make("RandomCrop", R"({"size": 5, "padding": 1})");

  EXPECT_THAT(error_of([&] { apply(crop); }),
              AllOf(HasSubstr("5 x 5"), HasSubstr("2 x 2"), HasSubstr("padding")));
}

TEST_F(ImageTransforms, WrongOrderOfTransformsSaysWhatGoesWhere) {
  set_floats({1, 1, 1}, {1});
  EXPECT_THAT(error_of([&] { apply(make("RandomCrop", R"({"size": 1})")); }),
              HasSubstr("before ToTensor"));

  set_image({1, 1, 1}, {1});
  EXPECT_THAT(error_of([&] { apply(make("Normalize", R"({"mean": [0], "std": [1]})")); }),
              HasSubstr("after ToTensor"));
}

TEST_F(ImageTransforms, ASampleWithoutImageNamesItsFields) {
  sample.fields.clear();
  sample.fields.make("tokens", STRATA_I64, {});

  EXPECT_THAT(error_of([&] { apply(make("ToTensor")); }),
              AllOf(HasSubstr("\"img\""), HasSubstr("tokens")));
}

TEST_F(ImageTransforms, MeansForAnotherNumberOfChannelsAreRefused) {
  set_floats({3, 1, 1}, {1, 2, 3});
  const TransformObject normalize = make("Normalize", R"({"mean": [0, 0], "std": [1, 1]})");

  EXPECT_THAT(error_of([&] { apply(normalize); }),
              AllOf(HasSubstr("2 means"), HasSubstr("3 channels")));
}

struct BadConfig {
  const char* type;
  const char* config;
  const char* said;
};

class ImageTransformConfig : public testing::TestWithParam<BadConfig> {};

TEST_P(ImageTransformConfig, IsRefusedWithTheReason) {
  PluginFile plugin("transform_image");
  const auto make = [&] {
    plugin.create<strata_transform_api>(GetParam().type, GetParam().config);
  };

  EXPECT_EQ(code_of(make), STRATA_E_CONFIG);
  EXPECT_THAT(error_of(make), HasSubstr(GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(
    Values,
    ImageTransformConfig,
    testing::Values(
        BadConfig{"RandomCrop", R"({"size": 0})", "least possible is 1"},
        BadConfig{"RandomCrop", R"({"size": [1, 2, 3]})", "size has 3 numbers"},
        BadConfig{"RandomCrop", R"({"size": 4, "padding": -1})", "padding has -1"},
        BadConfig{"RandomCrop", R"({"size": 4, "padding": [1, 2, 3]})", "padding has 3 numbers"},
        BadConfig{"RandomCrop", R"({"size": 4, "fill": 256})", "0 to 255"},
        BadConfig{"Normalize", R"({"mean": [0, 0], "std": [1]})", "2 numbers in mean and 1 in std"},
        BadConfig{"Normalize", R"({"mean": [0], "std": [0]})", "zero"}));

}  // namespace
}  // namespace strata::test
