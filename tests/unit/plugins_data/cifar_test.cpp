// CIFAR10 and Digits: files, refusals, values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/sinks.hpp"
#include "support/image_files.hpp"
#include "support/sample_host.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using DatasetObject = border::Object<strata_dataset_api>;

class CifarFiles : public testing::Test {
 protected:
  DatasetObject make(const std::string& type,
                     const std::filesystem::path& root,
                     bool train = true) {
    const Json config = {{"data_root", root.string()}, {"train", train}};
    return plugin.create<strata_dataset_api>(type, config.dump());
  }

  DatasetObject opened(const std::string& type, bool train = true) {
    DatasetObject out = make(type, folder.path(), train);
    out.call(&strata_dataset_api::open);
    return out;
  }

  [[nodiscard]] std::string refusal(const std::string& type) {
    const DatasetObject object = make(type, folder.path());
    EXPECT_EQ(code_of([&] { object.call(&strata_dataset_api::open); }), STRATA_E_CONFIG);
    return error_of([&] { object.call(&strata_dataset_api::open); });
  }

  static int64_t size_of(const DatasetObject& object) {
    int64_t out = -1;
    object.call(&strata_dataset_api::size, &out);
    return out;
  }

  PluginFile plugin{"dataset_cifar"};
  TempFolder folder;
  strata_sample sample;
};

TEST_F(CifarFiles, GivesRowsOfPixelsAndTheLabelOfARecordInAnyFile) {
  write_cifar10(folder.path(), 3);
  const DatasetObject object = opened("CIFAR10");

  object.call(&strata_dataset_api::get, int64_t{7}, &sample);  // record 1 of data_batch_3.bin

  const strata_array& img = sample.fields.get("img");
  EXPECT_EQ(data::layout_text(img), "u8 [32, 32, 3]");
  const auto* const pixels = static_cast<const uint8_t*>(img.data);
  for (int64_t pixel = 0; pixel < kPlane; ++pixel) {
    for (int64_t c = 0; c < 3; ++c) {
      ASSERT_EQ(pixels[pixel * 3 + c], image_byte(7, c * kPlane + pixel));
    }
  }
  const strata_array& label = sample.fields.get("label");
  EXPECT_EQ(data::layout_text(label), "i64 []");
  EXPECT_EQ(*static_cast<const int64_t*>(label.data), 7);
}

TEST_F(CifarFiles, TrainReadsFiveFilesAndTestOne) {
  write_cifar10(folder.path(), 3);

  EXPECT_EQ(size_of(opened("CIFAR10", true)), 15);
  EXPECT_EQ(size_of(opened("CIFAR10", false)), 3);
}

TEST_F(CifarFiles, MayLieInTheArchivesOwnFolder) {
  write_cifar10(folder.path() / "cifar-10-batches-bin", 2);

  EXPECT_EQ(size_of(opened("CIFAR10")), 10);
}

TEST_F(CifarFiles, AbsentOnesAreRefusedWithThePathsAndTheSource) {
  const std::string said = refusal("CIFAR10");

  EXPECT_THAT(said,
              AllOf(HasSubstr((folder.path() / "data_batch_1.bin").string()),
                    HasSubstr((folder.path() / "cifar-10-batches-bin").string()),
                    HasSubstr("https://www.cs.toronto.edu/~kriz/cifar.html")));
}

TEST_F(CifarFiles, OneMissingOfFiveIsNamed) {
  write_cifar10(folder.path(), 1);
  std::filesystem::remove(folder.path() / "data_batch_4.bin");

  EXPECT_THAT(refusal("CIFAR10"), HasSubstr("data_batch_4.bin\" is missing"));
}

TEST_F(CifarFiles, ATruncatedOneIsRefusedWithItsSizeAndTheExpectedMultiple) {
  write_cifar10(folder.path(), 2);
  std::filesystem::resize_file(folder.path() / "data_batch_2.bin", 6000);

  EXPECT_THAT(refusal("CIFAR10"),
              AllOf(HasSubstr("data_batch_2.bin"), HasSubstr("6000 bytes"), HasSubstr("3073")));
}

TEST_F(CifarFiles, AnEmptyOneIsRefused) {
  write_cifar10(folder.path(), 2);
  std::filesystem::resize_file(folder.path() / "data_batch_5.bin", 0);

  EXPECT_THAT(refusal("CIFAR10"), AllOf(HasSubstr("data_batch_5.bin"), HasSubstr("0 bytes")));
}

TEST_F(CifarFiles, ALabelOutOfRangeIsNamedWithFileAndRecordWhenItIsRead) {
  write_cifar10(folder.path(), 2);
  {
    std::fstream file(folder.path() / "data_batch_1.bin",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3073);
    file.put(12);
  }
  const DatasetObject object = opened("CIFAR10");
  const auto read = [&] { object.call(&strata_dataset_api::get, int64_t{1}, &sample); };

  EXPECT_EQ(code_of(read), STRATA_E_FAILED);
  EXPECT_THAT(
      error_of(read),
      AllOf(HasSubstr("record 1 of"), HasSubstr("data_batch_1.bin"), HasSubstr("label 12")));
  EXPECT_EQ(code_of([&] { object.call(&strata_dataset_api::get, int64_t{0}, &sample); }),
            STRATA_OK);
}

TEST_F(CifarFiles, AnIndexOutsideIsRefused) {
  write_cifar10(folder.path(), 1);
  const DatasetObject object = opened("CIFAR10");

  EXPECT_THAT(error_of([&] { object.call(&strata_dataset_api::get, int64_t{5}, &sample); }),
              HasSubstr("no sample 5; it has 5"));
  EXPECT_EQ(code_of([&] { object.call(&strata_dataset_api::get, int64_t{-1}, &sample); }),
            STRATA_E_ARGUMENT);
}

TEST_F(CifarFiles, FactsNameTheClasses) {
  const DatasetObject object = make("CIFAR10", folder.path());
  const border::TextSink sink;

  object.call(&strata_dataset_api::meta, sink.c());

  const Json facts = Json::parse(sink.str());
  EXPECT_EQ(facts.at("classes").size(), 10U);
  EXPECT_EQ(facts.at("classes").at(9), "truck");
  EXPECT_EQ(facts.at("dataset_type"), "CIFAR10");
}

TEST_F(CifarFiles, DigitsAreReadFromOneFileEach) {
  write_images(folder.path() / "data_batch_1.bin", 4);
  write_images(folder.path() / "test_batch.bin", 2, 50);

  EXPECT_EQ(size_of(opened("Digits", true)), 4);
  const DatasetObject test = opened("Digits", false);
  EXPECT_EQ(size_of(test), 2);
  test.call(&strata_dataset_api::get, int64_t{1}, &sample);
  EXPECT_EQ(*static_cast<const int64_t*>(sample.fields.get("label").data), 1);  // image 51
}

TEST_F(CifarFiles, AbsentDigitsNameTheCommandThatExportsThem) {
  EXPECT_THAT(refusal("Digits"), HasSubstr("make setup"));
}

}  // namespace
}  // namespace strata::test
