// The loader over the built-in plugins: the same augmented batches however they are made and
// wherever a pass began.
#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include "data/batch.hpp"
#include "data/loader.hpp"
#include "support/image_files.hpp"
#include "support/sample_host.hpp"

namespace strata::data {
namespace {

using strata::test::Json;
using strata::test::PluginFile;
using strata::test::TempFolder;

/// A batch as bytes, to be compared to the bit.
struct Snapshot {
  std::vector<std::string> fields;
  int64_t valid = 0;

  bool operator==(const Snapshot&) const = default;
};

Snapshot snapshot(const Batch& batch) {
  Snapshot out;
  out.valid = batch.valid;
  for (const BatchField& field : batch.fields) {
    const auto* const data = static_cast<const char*>(field.tensor.const_data_ptr());
    out.fields.push_back(field.name + std::string(data, field.tensor.nbytes()));
  }
  return out;
}

class AugmentedCifar : public testing::Test {
 protected:
  AugmentedCifar() { strata::test::write_cifar10(folder.path(), 5); }  // 25 images

  Loader loader(const std::string& sampler, LoaderOptions options) {
    const Json config = {{"data_root", folder.path().string()}};
    std::vector<border::Object<strata_transform_api>> transforms;
    const auto add = [&](const char* type, const char* json) {
      transforms.push_back(images.create<strata_transform_api>(type, json));
    };
    add("RandomCrop", R"({"size": 32, "padding": 4})");
    add("RandomHorizontalFlip", "{}");
    add("ToTensor", "{}");
    add("Normalize", R"({"mean": [0.491, 0.482, 0.447], "std": [0.202, 0.199, 0.201]})");
    return {
        Pipeline(
            cifar.create<strata_dataset_api>("CIFAR10", config.dump()), std::move(transforms), {}),
        samplers.create<strata_sampler_api>(sampler),
        std::move(options)};
  }

  static std::vector<Snapshot> read(Loader& from, int64_t batches) {
    std::vector<Snapshot> out;
    Batch batch;
    while (static_cast<int64_t>(out.size()) < batches && from.next(batch)) {
      out.push_back(snapshot(batch));
    }
    return out;
  }

  TempFolder folder;
  PluginFile cifar{"dataset_cifar"};
  PluginFile images{"transform_image"};
  PluginFile samplers{"sampler_default"};
};

TEST_F(AugmentedCifar, GivesImagesAndLabelsInThatOrder) {
  Loader one = loader("DefaultSampler", {.batch_size = 4});
  Batch batch;
  one.begin_pass(0);

  ASSERT_TRUE(one.next(batch));

  ASSERT_EQ(batch.fields.size(), 2U);
  EXPECT_EQ(batch.fields[0].name, "img");
  EXPECT_EQ(batch.fields[0].tensor.sizes(), (at::IntArrayRef{4, 3, 32, 32}));
  EXPECT_EQ(batch.fields[0].tensor.scalar_type(), at::kFloat);
  EXPECT_EQ(batch.fields[1].name, "label");
  EXPECT_EQ(batch.fields[1].tensor.sizes(), (at::IntArrayRef{4}));
}

TEST_F(AugmentedCifar, BatchesAreTheSameToTheBitWhateverTheNumberOfWorkers) {
  Loader alone = loader("DefaultSampler", {.batch_size = 4, .seed = 3});
  for (const int64_t epoch : {0, 1}) {
    alone.begin_pass(epoch);
    const std::vector<Snapshot> expected = read(alone, 100);
    ASSERT_EQ(expected.size(), 7U);

    for (const int64_t workers : {1, 2, 5}) {
      Loader many = loader("DefaultSampler", {.batch_size = 4, .num_workers = workers, .seed = 3});
      many.begin_pass(epoch);
      EXPECT_EQ(read(many, 100), expected) << workers << " workers, epoch " << epoch;
    }
  }
}

TEST_F(AugmentedCifar, AResumedPassEqualsTheContinuedOne) {
  for (const char* sampler : {"DefaultSampler", "InfiniteSampler"}) {
    Loader continued =
        loader(sampler, {.batch_size = 3, .num_workers = 2, .seed = 1, .rank = 1, .world_size = 2});
    continued.begin_pass(2);
    const std::vector<Snapshot> expected = read(continued, 5);

    for (int64_t from = 0; from < 5; ++from) {
      Loader resumed = loader(sampler, {.batch_size = 3, .seed = 1, .rank = 1, .world_size = 2});
      resumed.begin_pass(2, from);
      EXPECT_EQ(read(resumed, 5 - from),
                std::vector<Snapshot>(expected.begin() + from, expected.end()))
          << sampler << " from batch " << from;
    }
  }
}

TEST_F(AugmentedCifar, SeedAndEpochChangeTheBatches) {
  Loader one = loader("DefaultSampler", {.batch_size = 25});
  one.begin_pass(0);
  const std::vector<Snapshot> epoch0 = read(one, 1);
  one.begin_pass(1);
  const std::vector<Snapshot> epoch1 = read(one, 1);
  Loader other = loader("DefaultSampler", {.batch_size = 25, .seed = 1});
  other.begin_pass(0);

  EXPECT_NE(epoch0, epoch1);
  EXPECT_NE(epoch0, read(other, 1));
}

TEST_F(AugmentedCifar, ASampleIsAugmentedAlikeOnWhicheverRankItLands) {
  Loader alone = loader("DefaultSampler", {.batch_size = 1});
  Loader second = loader("DefaultSampler", {.batch_size = 1, .rank = 1, .world_size = 2});
  alone.begin_pass(0);
  second.begin_pass(0);

  const std::vector<Snapshot> all = read(alone, 4);
  const std::vector<Snapshot> odd = read(second, 2);

  EXPECT_EQ(odd[0], all[1]);
  EXPECT_EQ(odd[1], all[3]);
}

TEST_F(AugmentedCifar, AnEndlessPassAugmentsASampleAnewEachTime) {
  Loader endless = loader("InfiniteSampler", {.batch_size = 25});
  endless.begin_pass(0);
  EXPECT_EQ(endless.length(), kEndless);
  const auto sorted_images = [&] {
    Batch batch;
    EXPECT_TRUE(endless.next(batch));
    const at::Tensor& img = batch.fields[0].tensor;
    const auto* const data = static_cast<const char*>(img.const_data_ptr());
    std::set<std::string> out;
    for (size_t i = 0; i < 25; ++i) {
      out.emplace(data + i * img.nbytes() / 25, img.nbytes() / 25);
    }
    return out;
  };

  const std::set<std::string> first = sorted_images();
  const std::set<std::string> second = sorted_images();

  EXPECT_NE(first, second);  // the same 25 images, in another crop
}

TEST_F(AugmentedCifar, AFailingTransformIsNamedWithTheSample) {
  const Json config = {{"data_root", folder.path().string()}, {"train", false}};
  std::vector<border::Object<strata_transform_api>> transforms;
  transforms.push_back(images.create<strata_transform_api>("RandomCrop", R"({"size": 40})"));
  Loader broken(
      Pipeline(
          cifar.create<strata_dataset_api>("CIFAR10", config.dump()), std::move(transforms), {}),
      samplers.create<strata_sampler_api>("DefaultSampler", R"({"shuffle": false})"),
      {.num_workers = 1});
  Batch batch;
  broken.begin_pass(0, 2);

  const std::string said = strata::test::error_of([&] { broken.next(batch); });

  EXPECT_NE(said.find("in transforms[0], RandomCrop"), std::string::npos) << said;
  EXPECT_NE(said.find("sample 2 of CIFAR10"), std::string::npos) << said;
}

TEST_F(AugmentedCifar, MissingFilesAreRefusedWithThePlaceOfTheDataSet) {
  const auto build = [&] {
    Loader(Pipeline(cifar.create<strata_dataset_api>("CIFAR10", R"({"data_root": "/nowhere"})"),
                    {},
                    "a.toml:7:1"),
           samplers.create<strata_sampler_api>("DefaultSampler"),
           {});
  };

  EXPECT_EQ(strata::test::code_of(build), STRATA_E_CONFIG);
  EXPECT_EQ(strata::test::error_of(build).rfind("a.toml:7:1: CIFAR10 found no data", 0), 0U);
}

}  // namespace
}  // namespace strata::data
