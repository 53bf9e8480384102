// A checkpoint with anything wrong in it is refused, with the file and the cause, before memory is spent on it.
#include <fstream>
#include <random>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/sealed.hpp"
#include "scenario.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCanLimit = false;  // they reserve memory as they like
#else
constexpr bool kCanLimit = true;
#endif

/// Little more memory than the process has now.
class MemoryLimit {
 public:
  MemoryLimit() {
    ::getrlimit(RLIMIT_AS, &old_);
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlimit limit = {pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) + (16 << 20),
                          old_.rlim_max};
    if (kCanLimit) {
      ::setrlimit(RLIMIT_AS, &limit);
    }
  }

  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &old_); }

 private:
  rlimit old_{};
};

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
}

class BadFiles : public testing::Test {
 protected:
  BadFiles() {
    Saver(scenario_.work_dir()).save("iter_1");
    for (const auto& entry : fs::directory_iterator(checkpoint())) {
      files_.push_back(entry.path().filename().string());
    }
  }

  [[nodiscard]] fs::path checkpoint() const { return scenario_.work_dir() / "iter_1"; }

  /// What a resume says that reads everything; empty when it goes through.
  [[nodiscard]] std::string refusal() const {
    const MemoryLimit limit;
    try {
      const checkpoint::CheckpointReader reader(checkpoint());
      reader.verify();
      checkpoint::read_state(checkpoint());
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  }

  /// The refusal while a file has another content.
  [[nodiscard]] std::string refusal_of(const std::string& file, const std::string& content) const {
    const std::string good = read_file(checkpoint() / file);
    write_file(checkpoint() / file, content);
    std::string out = refusal();
    write_file(checkpoint() / file, good);
    return out;
  }

  /// The refusal of an index that is sealed as it should be.
  [[nodiscard]] std::string refusal_of_index(const json& index) const {
    return refusal_of("index.json", checkpoint::seal(index.dump(1)));
  }

  [[nodiscard]] json index() const {
    json out = json::parse(read_file(checkpoint() / "index.json"));
    out.erase("checksum");
    return out;
  }

  /// The refusal of a shard whose header is this text, in a file as long as the index says.
  [[nodiscard]] std::string refusal_of_header(std::string header) const {
    std::string content = read_file(checkpoint() / kShard);
    uint64_t length = 0;
    content.copy(reinterpret_cast<char*>(&length), sizeof(length));
    header.resize(length, ' ');
    return refusal_of(kShard, content.replace(sizeof(length), length, header));
  }

  static constexpr const char* kShard = "model-00002-of-00002.safetensors";

  Scenario scenario_;
  std::vector<std::string> files_;
};

TEST_F(BadFiles, AreNoneInACheckpointAsItWasSaved) {
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(files_.size(), 5U);
}

TEST_F(BadFiles, WithOneFlippedBitAreTold) {
  std::mt19937 random(11);  // the same bits each time

  for (const std::string& file : files_) {
    const std::string good = read_file(checkpoint() / file);
    for (size_t i = 0; i < 400; ++i) {
      std::string bad = good;
      const size_t at = i < 16 ? i : random() % good.size();
      bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
      EXPECT_THAT(refusal_of(file, bad), HasSubstr((checkpoint() / file).string()))
          << "byte " << at;
    }
  }
}

TEST_F(BadFiles, OfAnotherLengthAreTold) {
  for (const std::string& file : files_) {
    const std::string good = read_file(checkpoint() / file);
    for (const size_t length : {size_t{0},
                                size_t{1},
                                size_t{7},
                                size_t{8},
                                size_t{9},
                                good.size() / 2,
                                good.size() - 1}) {
      EXPECT_THAT(refusal_of(file, good.substr(0, length)),
                  HasSubstr((checkpoint() / file).string()))
          << length;
    }
    EXPECT_THAT(refusal_of(file, good + " "), HasSubstr((checkpoint() / file).string()));
  }
}

TEST_F(BadFiles, ThatAreMissingAreTold) {
  for (const std::string& file : files_) {
    fs::rename(checkpoint() / file, scenario_.work_dir() / "away");
    EXPECT_THAT(refusal(), AllOf(HasSubstr(checkpoint().string()), HasSubstr("lacks " + file)));
    fs::rename(scenario_.work_dir() / "away", checkpoint() / file);
  }
}

TEST_F(BadFiles, ThatAreLinksFoldersOrPipesAreTold) {
  const fs::path file = checkpoint() / kShard;
  const fs::path away = scenario_.work_dir() / "away";
  fs::rename(file, away);

  fs::create_symlink(away, file);
  EXPECT_THAT(refusal(), HasSubstr(std::string("lacks ") + kShard));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_THAT(refusal(), HasSubstr(std::string("lacks ") + kShard));
  fs::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr(std::string("lacks ") + kShard));
}

TEST_F(BadFiles, OutsideOfTheFolderAreNotRead) {
  const fs::path outside = scenario_.work_dir() / "outside.safetensors";
  fs::copy_file(checkpoint() / kShard, outside);

  for (const std::string& name : {std::string("../outside.safetensors"),
                                  outside.string(),
                                  std::string("./") + kShard,
                                  std::string("..")}) {
    std::string text = index().dump();
    for (size_t at = 0; (at = text.find(kShard, at)) != std::string::npos; at += name.size()) {
      text.replace(at, std::string(kShard).size(), name);
    }
    EXPECT_THAT(refusal_of_index(json::parse(text)),
                AllOf(HasSubstr("index.json"), HasSubstr("\"" + name + "\"")));
  }
}

TEST_F(BadFiles, WithAbsurdNumbersInTheIndexAreTold) {
  const std::vector<std::pair<const char*, json>> cases = {
      {"/tensors/a/shape", {300, uint64_t{1} << 62}},
      {"/tensors/a/shape", {uint64_t{1} << 63, 2}},
      {"/tensors/a/shape", {int64_t{1} << 61}},
      {"/tensors/a/shape", {int64_t{1} << 40, int64_t{1} << 40, 0}},
      {"/tensors/a/shape", {-300}},
      {"/tensors/a/shape", {300.0}},
      {"/tensors/a/shape", 300},
      {"/tensors/a/shape", "300"},
      {"/tensors/a/chunks/0/1", uint64_t{1} << 63},
      {"/tensors/a/chunks/0/2", uint64_t{1} << 63},
      {"/tensors/a/chunks/0/2", INT64_MAX},
      {"/tensors/a/chunks/1/1", -1},
      {"/tensors/a/chunks/1/2", 1e300},
      {"/tensors/a/chunks/0", json::array()},
      {"/tensors/a/dtype", "F1024"},
      {"/tensors/a/dtype", 7},
      {"/tensors/a/kind", nullptr},
      {"/tensors", json::array()},
      {"/files", {{kShard, nullptr}}},
      {"/world_size", -1},
      {"/world_size", 0},
      {"/world_size", 1e300},
      {"/world_size", uint64_t{1} << 63},
  };
  for (const auto& [place, value] : cases) {
    json bad = index();
    bad[json::json_pointer(place)] = value;
    EXPECT_THAT(refusal_of_index(bad), HasSubstr((checkpoint() / "index.json").string()))
        << place << " = " << value;
  }
}

TEST_F(BadFiles, WithAbsurdFileSizesInTheIndexAreTold) {
  for (const json& bytes : {json(-1), json(1e300), json(UINT64_MAX), json(0), json("many")}) {
    json bad = index();
    bad["files"][kShard]["bytes"] = bytes;
    EXPECT_THAT(refusal_of_index(bad), HasSubstr("index.json")) << bytes;
  }
}

TEST_F(BadFiles, WithANameTwiceOrAbsurdDepthInTheIndexAreTold) {
  const std::string text = index().dump(1);
  const size_t end = text.find_last_of('}');
  const auto with = [&](const std::string& more) {
    return refusal_of("index.json", checkpoint::seal(text.substr(0, end) + more + "}"));
  };

  EXPECT_THAT(with(", \"world_size\": 2"), AllOf(HasSubstr("index.json"), HasSubstr("twice")));
  EXPECT_THAT(with(", \"deep\": " + std::string(100'000, '[')), HasSubstr("index.json"));
  EXPECT_THAT(with(", \"open\": "), HasSubstr("index.json"));
}

TEST_F(BadFiles, WithAbsurdHeadersAreTold) {
  for (const char* header :
       {R"({"a[130:300]":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,680]}})",
        R"({"a[130:300]":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,680]}})",
        R"({"a[130:300]":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,680]}})",
        R"({"a[130:300]":{"dtype":"F32","shape":[170],"data_offsets":[0,1e300]}})",
        R"({"a[130:300]":{"dtype":"F32","shape":[170],"data_offsets":[680,0]}})",
        R"({"a[130:300]":{"dtype":"F32","shape":[170],"data_offsets":[4,684]}})",
        R"({"a[130:300]":{"dtype":"F99","shape":[170],"data_offsets":[0,680]}})",
        R"([[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[)",
        R"({})"}) {
    EXPECT_THAT(refusal_of_header(header), HasSubstr((checkpoint() / kShard).string())) << header;
  }
}

TEST_F(BadFiles, WithAHeaderOfAbsurdLengthAreTold) {
  for (const uint64_t length : {UINT64_MAX, uint64_t{1} << 63, uint64_t{99'999'999}, uint64_t{0}}) {
    std::string bad = read_file(checkpoint() / kShard);
    bad.replace(0, sizeof(length), reinterpret_cast<const char*>(&length), sizeof(length));
    EXPECT_THAT(refusal_of(kShard, bad), HasSubstr((checkpoint() / kShard).string())) << length;
  }
}

}  // namespace
}  // namespace strata::test
