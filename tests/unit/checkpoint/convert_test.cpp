// Tests of writing stored tensors as other programs read them, and of the memory that it takes.
#include "checkpoint/convert.hpp"

#include <cstring>
#include <fstream>
#include <numeric>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/wait.h>

#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    out.push_back(entry.path().filename().string());
  }
  std::ranges::sort(out);
  return out;
}

class Convert : public TempDirTest {
 protected:
  /// Tensors a, b, c of 6, 2 and 300000 elements (more than a piece), F32 but for b, which is I64. Element i of a and c
  /// is i + 0.1.
  [[nodiscard]] fs::path write_three() const {
    std::vector<float> values(300000);
    std::iota(values.begin(), values.end(), 0.1F);
    const std::vector<int64_t> whole = {-1, 5};
    const std::vector<TensorSource> tensors = {{"a", STRATA_F32, {2, 3}, values.data(), {}},
                                               {"b", STRATA_I64, {2}, whole.data(), {}},
                                               {"c", STRATA_F32, {300000}, values.data(), {}}};
    write_safetensors(dir_ / "three.safetensors", tensors);
    return dir_ / "three.safetensors";
  }

  template <class T>
  static std::vector<T> values(const TensorReader& reader, size_t tensor) {
    std::vector<T> out(static_cast<size_t>(reader.tensors()[tensor].elements()));
    reader.read(tensor, 0, reader.tensors()[tensor].elements(), out.data());
    return out;
  }

  std::vector<TensorSource> sources_three() {
    three_ = open_tensors(write_three());
    return sources_of(*three_);
  }

  std::unique_ptr<TensorReader> three_;
};

TEST_F(Convert, OfASafetensorsFileGivesTheSameTensors) {
  const auto tensors = sources_three();
  write_safetensors(dir_ / "again.safetensors", tensors);

  const auto again = open_tensors(dir_ / "again.safetensors");

  ASSERT_EQ(again->tensors().size(), 3U);
  EXPECT_EQ(again->tensors()[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(values<int64_t>(*again, 1), (std::vector<int64_t>{-1, 5}));
  EXPECT_EQ(values<float>(*again, 2), values<float>(*three_, 2));
}

TEST_F(Convert, CastsFloatingPointTensorsAlone) {
  const auto file = open_tensors(write_three());
  write_safetensors(dir_ / "half.safetensors", sources_of(*file, STRATA_BF16));

  const auto half = open_tensors(dir_ / "half.safetensors");

  EXPECT_EQ(half->tensors()[0].dtype, STRATA_BF16);
  EXPECT_EQ(values<uint16_t>(*half, 0)[1], 0x3F8D);       // 1.1 is between 0x3F8C (1.09375) and it
  EXPECT_EQ(values<uint16_t>(*half, 2)[299999], 0x4892);  // 299999.1, nearest 299008
  EXPECT_EQ(half->tensors()[1].dtype, STRATA_I64);
}

TEST_F(Convert, PutsTensorsIntoFilesOfTheSizeAskedFor) {
  const auto tensors = sources_three();  // 24, 16 and 1200000 bytes

  const auto shards = plan_hf_shards(tensors, 40);

  ASSERT_EQ(shards.size(), 2U);
  EXPECT_EQ(shards[0].file, "model-00001-of-00002.safetensors");
  EXPECT_EQ(shards[0].bytes, 40U);
  EXPECT_EQ(shards[1].tensors.size(), 1U) << "a tensor that is larger has a file of its own";
  EXPECT_EQ(plan_hf_shards(tensors, 39).size(), 3U);
  EXPECT_EQ(plan_hf_shards(tensors, 5'000'000'000)[0].file, "model.safetensors");
}

TEST_F(Convert, WritesAFolderThatHuggingFaceLaysOutSo) {
  write_hf_folder(dir_ / "out", plan_hf_shards(sources_three(), 40));

  EXPECT_THAT(names_in(dir_ / "out"),
              ElementsAre("model-00001-of-00002.safetensors",
                          "model-00002-of-00002.safetensors",
                          "model.safetensors.index.json"));
  const auto index = nlohmann::json::parse(read(dir_ / "out" / "model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], 1200040);
  EXPECT_EQ(index["weight_map"]["b"], "model-00001-of-00002.safetensors");
  EXPECT_EQ(index["weight_map"]["c"], "model-00002-of-00002.safetensors");
  const SafetensorsFile shard(dir_ / "out" / "model-00001-of-00002.safetensors");
  EXPECT_EQ(shard.metadata().at("format"), "pt");
  const auto folder = open_tensors(dir_ / "out");
  EXPECT_EQ(folder->tensors().size(), 3U);
}

TEST_F(Convert, WritesAFolderOfOneFileWithoutIndex) {
  write_hf_folder(dir_ / "out", plan_hf_shards(sources_three(), 5'000'000'000));

  EXPECT_THAT(names_in(dir_ / "out"), ElementsAre("model.safetensors"));
}

TEST_F(Convert, LeavesAFolderThatIsThereAlone) {
  const auto shards = plan_hf_shards(sources_three(), 40);
  fs::create_directory(dir_ / "mine");
  write("mine/diary.txt", "dear");

  EXPECT_THAT(error_of([&] { write_hf_folder(dir_ / "mine", shards); }).message(),
              HasSubstr("it is there already"));
  EXPECT_THAT(error_of([&] { write_hf_folder(dir_ / "mine", shards, true); }).message(),
              HasSubstr("no folder of weights"));
  EXPECT_THAT(names_in(dir_ / "mine"), ElementsAre("diary.txt"));
}

TEST_F(Convert, ReplacesAFolderOfWeightsWhenAsked) {
  const auto tensors = sources_three();
  write_hf_folder(dir_ / "out", plan_hf_shards(tensors, 40));

  write_hf_folder(dir_ / "out", plan_hf_shards(tensors, 5'000'000'000), true);

  EXPECT_THAT(names_in(dir_ / "out"), ElementsAre("model.safetensors"));
  EXPECT_THAT(names_in(dir_), ElementsAre("out", "three.safetensors")) << "nothing is left aside";
}

TEST_F(Convert, LeavesNothingWhenATensorCannotBeRead) {
  std::vector<TensorSource> tensors = sources_three();
  tensors[2].fill = [](const Put&) { throw Error(STRATA_E_FAILED, "gone"); };

  EXPECT_EQ(error_of([&] { write_hf_folder(dir_ / "out", plan_hf_shards(tensors, 40)); }).message(),
            "gone");
  EXPECT_THAT(names_in(dir_), ElementsAre("three.safetensors"));
}

// --- memory ---------------------------------------------------------------------------------------

int64_t data_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmData:") {
      int64_t kib = 0;
      status >> kib;
      return kib;
    }
  }
  return 0;
}

/// Runs f in a process that may allocate `bytes` more than it has. 0: it could.
int under_limit(int64_t bytes, const std::function<void()>& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto limit = static_cast<rlim_t>(data_kib() * 1024 + bytes);
    const rlimit data = {limit, limit};
    ::setrlimit(RLIMIT_DATA, &data);
    try {
      f();
      ::_exit(0);
    } catch (const std::exception&) {
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Convert, NeedsNoMoreMemoryThanTheLargestTensor) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a limit of address space counts the sanitizer's own";
#endif
  constexpr int64_t kElements = 4 << 20;  // 16 MiB each, 8 tensors
  const std::vector<float> value(kElements, 1.F);
  std::vector<TensorSource> many;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    many.push_back({name, STRATA_F32, {kElements}, value.data(), {}});
  }
  write_safetensors(dir_ / "many.safetensors", many);
  constexpr int64_t kLargest = 4 * kElements;

  const auto convert = [&](std::optional<int32_t> dtype) {
    const auto file = open_tensors(dir_ / "many.safetensors");
    const auto tensors = sources_of(*file, dtype);
    write_safetensors(dir_ / "one.safetensors", tensors);
    write_hf_folder(dir_ / "out", plan_hf_shards(tensors, 3 * kLargest), true);
  };

  EXPECT_EQ(under_limit(kLargest, [&] { convert({}); }), 0);
  EXPECT_EQ(under_limit(kLargest, [&] { convert(STRATA_F16); }), 0);
  EXPECT_EQ(under_limit(kLargest, [] { const std::vector<char> two(2 * kLargest); }), 1)
      << "the limit limits nothing";
}

}  // namespace
}  // namespace strata::checkpoint
