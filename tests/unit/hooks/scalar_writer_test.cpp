// Tests of scalars.json: MMEngine's keys and order, Python's numbers.
#include "hooks/scalar_writer.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"
#include "strata/cpp/json.hpp"

namespace strata::hooks {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string read(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

class ScalarWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / text("strata_scalars_", ::getpid());
    fs::create_directories(dir_);
  }

  void TearDown() override { fs::remove_all(dir_); }

  fs::path dir_;
};

// Expected texts: json.dumps of CPython 3.11.
TEST(JsonFloat, IsWhatPythonWrites) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {1.0, "1.0"},
      {0.1, "0.1"},
      {1e-4, "0.0001"},
      {1e-5, "1e-05"},
      {123456.0, "123456.0"},
      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},
      {1.5e300, "1.5e+300"},
      {1.0 / 3, "0.3333333333333333"},
      {2.5e-7, "2.5e-07"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"},
      {-std::numeric_limits<double>::infinity(), "-Infinity"}};
  for (const auto& [value, expected] : cases) {
    EXPECT_EQ(json_float(value), expected);
  }
}

TEST(JsonText, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(json_text("a\"\\\n\u00e9"), "\"a\\\"\\\\\\u000a\u00e9\"");
}

TEST(ScalarLine, HasMmenginesKeysInOrder) {
  const Scalars scalars = {{"lr", 1.0 / 3000},
                           {"data_time", 0.0335},
                           {"loss", 6.0},
                           {"time", 0.25},
                           {"epoch", 1},
                           {"iter", 10},
                           {"memory", 970}};

  EXPECT_EQ(scalar_line(scalars, 10),
            R"({"lr": 0.0003333333333333333, "data_time": 0.0335, "loss": 6.0, "time": 0.25, )"
            R"("epoch": 1, "iter": 10, "memory": 970, "step": 10})");
}

TEST_F(ScalarWriterTest, AppendsEachLineToBothFilesAtOnce) {
  ScalarWriter first(dir_, "20240131_235959");
  first.write({{"loss", 1.5}}, 1);
  ScalarWriter second(dir_, "20240131_235959");
  second.write({{"accuracy", 50}}, 2);

  const std::string both = "{\"loss\": 1.5, \"step\": 1}\n{\"accuracy\": 50.0, \"step\": 2}\n";
  EXPECT_EQ(read(dir_ / "vis_data/scalars.json"), both);
  EXPECT_EQ(read(dir_ / "vis_data/20240131_235959.json"), both);
}

TEST_F(ScalarWriterTest, MakesNoFileBeforeTheFirstLine) {
  const ScalarWriter writer(dir_, "20240131_235959");

  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(ScalarWriterTest, NamesTheFileItCannotWrite) {
  std::ofstream(dir_ / "vis_data") << "a file in the folder's place";
  ScalarWriter writer(dir_, "20240131_235959");

  try {
    writer.write({{"loss", 1}}, 1);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_IO);
    EXPECT_THAT(e.message(),
                HasSubstr((dir_ / "vis_data/scalars.json").string() + ": Not a directory"));
  }
}

}  // namespace
}  // namespace strata::hooks
