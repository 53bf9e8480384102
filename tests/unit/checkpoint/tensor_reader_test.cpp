// Tests of opening weights by path: one file, several under an index, folders, and what they are refused for.
#include "checkpoint/tensor_reader.hpp"

#include <cstring>

#include <gmock/gmock.h>

#include "checkpoint/hf_index.hpp"
#include "checkpoint/safetensors.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

class TensorReaderTest : public TempDirTest {
 protected:
  /// A file of one F32 tensor "name" of `count` elements: first, first + 1, …
  fs::path write_tensor(const std::string& file,
                        const std::string& name,
                        int64_t count,
                        float first) const {
    std::vector<float> values;
    values.reserve(count);
    for (int64_t i = 0; i < count; ++i) {
      values.push_back(first + static_cast<float>(i));
    }
    write_safetensors(dir_ / file,
                      std::vector<TensorSource>{{name, STRATA_F32, {count}, values.data(), {}}});
    return dir_ / file;
  }

  fs::path write_index(const std::string& weight_map) const {
    return write("model.safetensors.index.json",
                 R"({"metadata":{"total_size":20},"weight_map":)" + weight_map + "}");
  }

  static Error refusal(const fs::path& path) {
    return error_of([&] { open_tensors(path); });
  }

  static std::vector<float> read_floats(const TensorReader& file,
                                        size_t tensor,
                                        int64_t begin,
                                        int64_t count) {
    std::vector<float> out(static_cast<size_t>(count));
    file.read(tensor, begin, count, out.data());
    return out;
  }
};

TEST_F(TensorReaderTest, ReadsElementsOfAFile) {
  const auto file = open_tensors(write_tensor("a.safetensors", "w", 5, 10));

  ASSERT_EQ(file->tensors().size(), 1U);
  EXPECT_EQ(file->tensors()[0].name, "w");
  EXPECT_EQ(file->tensors()[0].dtype, STRATA_F32);
  EXPECT_THAT(file->tensors()[0].shape, ElementsAre(5));
  EXPECT_EQ(file->path(), dir_ / "a.safetensors");
  EXPECT_THAT(read_floats(*file, 0, 1, 3), ElementsAre(11, 12, 13));
  EXPECT_THAT(read_floats(*file, 0, 5, 0), ElementsAre());
}

TEST_F(TensorReaderTest, RefusesElementsThatATensorHasNot) {
  const auto file = open_tensors(write_tensor("a.safetensors", "w", 5, 0));
  float out[8];

  for (const auto& [begin, count] : {std::pair{3, 3}, {-1, 2}, {0, -1}, {6, 0}}) {
    const Error e = error_of([&] { file->read(0, begin, count, out); });
    EXPECT_EQ(e.code(), STRATA_E_ARGUMENT) << begin << " " << count;
    EXPECT_THAT(e.message(), HasSubstr("\"w\", which has 5"));
  }
  EXPECT_EQ(error_of([&] { file->read(1, 0, 1, out); }).code(), STRATA_E_ARGUMENT);
}

TEST_F(TensorReaderTest, ReadsFilesThatAnIndexNames) {
  write_tensor("model-00001-of-00002.safetensors", "b", 3, 1);
  write_tensor("model-00002-of-00002.safetensors", "a", 2, 7);

  const auto file = open_tensors(write_index(
      R"({"a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors"})"));

  ASSERT_EQ(file->tensors().size(), 2U);
  EXPECT_EQ(file->tensors()[0].name, "b");
  EXPECT_THAT(read_floats(*file, 0, 0, 3), ElementsAre(1, 2, 3));
  EXPECT_EQ(file->tensors()[1].name, "a");
  EXPECT_THAT(read_floats(*file, 1, 1, 1), ElementsAre(8));
}

TEST_F(TensorReaderTest, LeavesOutWhatAnIndexDoesNotName) {
  write_tensor("one.safetensors", "a", 2, 7);

  EXPECT_EQ(open_tensors(write_index("{}"))->tensors().size(), 0U);
}

TEST_F(TensorReaderTest, TakesAFolderForTheWeightsInIt) {
  write_tensor("model.safetensors", "w", 2, 0);
  EXPECT_EQ(open_tensors(dir_)->tensors()[0].name, "w");

  write_tensor("shard.safetensors", "a", 2, 0);
  write_index(R"({"a":"shard.safetensors"})");
  EXPECT_EQ(open_tensors(dir_)->tensors()[0].name, "a");
}

TEST_F(TensorReaderTest, RefusesAFolderWithoutWeights) {
  const Error e = refusal(dir_);

  EXPECT_EQ(e.code(), STRATA_E_NOT_FOUND);
  EXPECT_THAT(
      e.message(),
      HasSubstr(dir_.string() + " lacks model.safetensors and model.safetensors.index.json"));
}

TEST_F(TensorReaderTest, NamesAFileThatIsNotThere) {
  const Error e = refusal(dir_ / "none.safetensors");

  EXPECT_EQ(e.code(), STRATA_E_IO);
  EXPECT_THAT(e.message(), AllOf(HasSubstr("none.safetensors"), HasSubstr("No such file")));
}

TEST_F(TensorReaderTest, NamesAFileOfAnIndexThatIsMissing) {
  const Error e = refusal(write_index(R"({"a":"gone.safetensors"})"));

  EXPECT_EQ(e.code(), STRATA_E_NOT_FOUND);
  EXPECT_THAT(
      e.message(),
      AllOf(
          HasSubstr("index.json names"), HasSubstr("gone.safetensors"), HasSubstr("No such file")));
}

TEST_F(TensorReaderTest, NamesATensorThatItsFileLacks) {
  write_tensor("one.safetensors", "a", 2, 7);

  const Error e = refusal(write_index(R"({"b":"one.safetensors"})"));

  EXPECT_EQ(e.code(), STRATA_E_FAILED);
  EXPECT_THAT(e.message(),
              AllOf(HasSubstr("b lies in"), HasSubstr("one.safetensors, where it is not")));
}

TEST_F(TensorReaderTest, NamesAFileOfAnIndexThatIsCutShort) {
  const fs::path shard = write_tensor("one.safetensors", "a", 2, 7);
  fs::resize_file(shard, fs::file_size(shard) - 1);

  const Error e = refusal(write_index(R"({"a":"one.safetensors"})"));

  EXPECT_EQ(e.code(), STRATA_E_FAILED);
  EXPECT_THAT(e.message(), AllOf(HasSubstr("one.safetensors"), HasSubstr("cut short")));
}

TEST_F(TensorReaderTest, RefusesFilesOutsideTheFolderOfAnIndex) {
  write_tensor("outside.safetensors", "a", 2, 7);
  fs::create_directory(dir_ / "model");
  const auto says = [&](const std::string& name) {
    const auto path =
        write("model/model.safetensors.index.json", R"({"weight_map":{"a":")" + name + "\"}}");
    const Error e = refusal(path);
    EXPECT_EQ(e.code(), STRATA_E_FAILED) << name;
    return e.message();
  };

  EXPECT_THAT(says("../outside.safetensors"), HasSubstr("not a file of its folder"));
  EXPECT_THAT(says("x/../../outside.safetensors"), HasSubstr("not a file of its folder"));
  EXPECT_THAT(says((dir_ / "outside.safetensors").string()), HasSubstr("not a file of its folder"));
  EXPECT_THAT(says(""), HasSubstr("not a file of its folder"));
  fs::create_symlink(dir_ / "outside.safetensors", dir_ / "model/link.safetensors");
  EXPECT_THAT(says("link.safetensors"),
              AllOf(HasSubstr("is a link to"), HasSubstr("out of its folder")));
  fs::create_directory_symlink(dir_, dir_ / "model/up");
  EXPECT_THAT(says("up/outside.safetensors"), HasSubstr("out of its folder"));
}

TEST_F(TensorReaderTest, FollowsLinksInsideTheFolderOfAnIndex) {
  write_tensor("real.safetensors", "a", 2, 7);
  fs::create_symlink("real.safetensors", dir_ / "link.safetensors");

  EXPECT_EQ(open_tensors(write_index(R"({"a":"link.safetensors"})"))->tensors().size(), 1U);
}

TEST_F(TensorReaderTest, ReadsASnapshotInTheCacheOfHuggingFace) {
  fs::create_directories(dir_ / "models--x/blobs");
  fs::create_directories(dir_ / "models--x/snapshots/0a1b");
  write_tensor("models--x/blobs/c0ffee", "a", 2, 7);
  write("models--x/blobs/1dea", R"({"weight_map":{"a":"model-00001-of-00001.safetensors"}})");
  const fs::path snapshot = dir_ / "models--x/snapshots/0a1b";
  fs::create_symlink("../../blobs/c0ffee", snapshot / "model-00001-of-00001.safetensors");
  fs::create_symlink("../../blobs/1dea", snapshot / "model.safetensors.index.json");

  EXPECT_EQ(open_tensors(snapshot)->tensors()[0].name, "a");
}

TEST_F(TensorReaderTest, RefusesAnIndexOfIndexes) {
  write("more.json", R"({"weight_map":{"a":"more.json"}})");

  EXPECT_THAT(refusal(write_index(R"({"a":"more.json"})")).message(),
              HasSubstr("more.json is not a file of weights"));
  EXPECT_THAT(refusal(write_index(R"({"a":"."})")).message(),
              HasSubstr("is not a file of weights"));
}

TEST(WeightMap, IsRefusedWhenItIsNone) {
  const auto says = [](const std::string& json) {
    const Error e = error_of([&] { read_weight_map(json, "f.json"); });
    EXPECT_EQ(e.code(), STRATA_E_FAILED) << json;
    EXPECT_THAT(e.message(), HasSubstr("f.json"));
    return e.message();
  };

  EXPECT_THAT(says(""), HasSubstr("not JSON"));
  EXPECT_THAT(says(R"({"weight_map":{"a":"b")"), HasSubstr("not JSON"));
  EXPECT_THAT(says("[]"), HasSubstr("no table \"weight_map\""));
  EXPECT_THAT(says("{}"), HasSubstr("no table \"weight_map\""));
  EXPECT_THAT(says(R"({"weight_map":["a"]})"), HasSubstr("no table \"weight_map\""));
  EXPECT_THAT(says(R"({"weight_map":{"a":1}})"), HasSubstr("the file of a is no text"));
  EXPECT_THAT(says(R"({"weight_map":{"a":"b","a":"c"}})"), HasSubstr("\"a\" comes twice"));
  EXPECT_THAT(says(R"({"weight_map":)" + std::string(1000, '[')), HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace strata::checkpoint
