// The configurations that ship: the quickstart learns, and all of them pass the checks.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "image_files.hpp"
#include "program.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

Start strata(std::vector<std::string> args) {
  args.insert(args.begin(), STRATA_BINARY_DIR "/bin/strata");
  return {.args = std::move(args), .folder = STRATA_SOURCE_DIR};
}

// The newest "accuracy" of a work_dir.
double accuracy_of(const fs::path& work) {
  double last = -1;
  for (const auto& entry : fs::recursive_directory_iterator(work)) {
    if (entry.path().filename() != "scalars.json") {
      continue;
    }
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      last = nlohmann::json::parse(line).value("accuracy", last);
    }
  }
  return last;
}

TEST(Quickstart, ResNet50OnTwoRanksReadsFourDigitsOfFive) {
  const TempFolder folder;

  const Outcome done = run(strata({"train",
                                   "configs/quickstart/digits.toml",
                                   "--nproc",
                                   "2",
                                   "--work-dir",
                                   (folder.path() / "work").string()}),
                           std::chrono::minutes(25));

  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_GT(accuracy_of(folder.path() / "work"), 80.0);  // 82.8 and 87.9 seen; chance is 10
}

TEST(Configs, AllThatShipPassADryRun) {
  for (const char* section : {"seed", "quickstart"}) {
    for (const auto& entry :
         fs::directory_iterator(fs::path(STRATA_SOURCE_DIR) / "configs" / section)) {
      const Outcome done =
          run(strata({"train", entry.path().string(), "--dry-run", "--nproc", "2"}));

      EXPECT_EQ(done.code, 0) << entry.path() << "\n" << done.err;
      EXPECT_THAT(done.out, testing::HasSubstr("no problem found"));
    }
  }
}

}  // namespace
}  // namespace strata::test
