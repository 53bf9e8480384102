// What fuzzers begin with and what they have found, read again by every build.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include <gtest/gtest.h>

#include "entries.hpp"

namespace strata::fuzz {
namespace {

namespace fs = std::filesystem;

struct Target {
  const char* name;  // of its folder in tests/fuzz/corpus
  void (*read)(std::span<const std::byte>);
  std::vector<const char*> seeds;  // files and folders of the tree
};

// Returns how many files were read. A finding ends the program.
int replay(const fs::path& path, const Target& target) {
  if (fs::is_directory(path)) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(path)) {
      count += replay(entry.path(), target);
    }
    return count;
  }
  SCOPED_TRACE(path);
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  target.read(std::as_bytes(std::span(bytes)));
  return 1;
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsReadOrRefused) {
  const fs::path root = STRATA_SOURCE_DIR;
  int count = replay(root / "tests/fuzz/corpus" / GetParam().name, GetParam());
  for (const char* seed : GetParam().seeds) {
    count += replay(root / seed, GetParam());
  }

  EXPECT_GE(count, 4);
}

INSTANTIATE_TEST_SUITE_P(Of,
                         Corpus,
                         testing::Values(Target{"safetensors",
                                                &read_safetensors,
                                                {"tests/unit/checkpoint/golden.safetensors"}},
                                         Target{"index", &read_index, {}},
                                         Target{"hf_index", &read_hf_index, {}},
                                         Target{"pth", &read_pth, {"tests/golden/pth"}}),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace strata::fuzz
