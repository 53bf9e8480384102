// Files as DeepSpeed's users write them.
#include "settings/json_file.hpp"

#include <filesystem>
#include <fstream>

#include "loaded.hpp"

namespace strata::deepspeed {
namespace {

Value parsed(const std::string& text) {
  return parse_json(text, "ds.json");
}

std::string parse_refusal(const std::string& text) {
  return test::error_of([&] { std::ignore = parsed(text); });
}

TEST(JsonFile, KnowsTheLineAndThePathOfEveryKey) {
  const Value root = parsed("{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [true,\n  5e8]\n  }\n}");

  EXPECT_EQ(root.find("a")->where, "ds.json:2");
  const Value& list = *root.find("b")->find("c");
  EXPECT_EQ(list.where, "ds.json:4");
  EXPECT_EQ(list.path, "b.c");
  EXPECT_EQ(list.as_list()[1].path, "b.c.1");
  EXPECT_EQ(list.as_list()[1].as_int(), 500'000'000);
}

TEST(JsonFile, PassesOverCommentsAndTrailingCommas) {
  const Value root = parsed(
      "// one\n"
      "{ # two\n"
      "  \"a\": 1, /* \",}\n"
      "  three */ \"b\": [1, 2, ], // four\n"
      "  \"c\": \"// no , } comment # \\\" /* here\",\n"
      "}\n");

  EXPECT_EQ(root.find("a")->as_int(), 1);
  EXPECT_EQ(root.find("b")->as_list().size(), 2);
  EXPECT_EQ(root.find("b")->where, "ds.json:4");
  EXPECT_EQ(root.find("c")->as_text(), "// no , } comment # \" /* here");
}

TEST(JsonFile, NullIsAsIfTheKeyWereAbsent) {
  EXPECT_EQ(parsed("{\"a\": null}").find("a"), nullptr);
}

TEST(JsonFile, AKeyGivenTwiceIsAnErrorAtItsSecondPlace) {
  EXPECT_EQ(parse_refusal("{\n\"fp16\": {\"enabled\": true,\n\"enabled\": false}}"),
            "ds.json:3: fp16.enabled is given twice; keep one");
}

TEST(JsonFile, TheSameKeyInTwoTablesIsNone) {
  EXPECT_EQ(parse_refusal(R"({"fp16": {"enabled": false}, "bf16": {"enabled": true}})"), "");
}

TEST(JsonFile, WhatIsNoJsonIsAnErrorAtItsLine) {
  EXPECT_THAT(parse_refusal("{\n\"a\": 1\n\"b\": 2}"),
              HasSubstr("ds.json:3: this is no JSON at \"\"b\"\""));
  EXPECT_THAT(parse_refusal("{\"a\": 1, , \"b\": 2}"), HasSubstr("ds.json:1"));
  EXPECT_THAT(parse_refusal("{\"a\": [1,, ]}"), HasSubstr("no JSON"));
  EXPECT_THAT(parse_refusal("[1]"), HasSubstr("found a list"));
  EXPECT_THAT(parse_refusal(""), HasSubstr("no JSON"));
}

class JsonFileOnDisk : public testing::Test {
 public:
  ~JsonFileOnDisk() override { std::filesystem::remove_all(folder_); }

 protected:
  JsonFileOnDisk() {
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("strata_json_") +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_ / "configs");
    std::ofstream(folder_ / "configs" / "ds.json") << R"({"zero_optimization": {"stage": 2}})";
  }

  [[nodiscard]] std::string toml_file() const {
    return (folder_ / "configs" / "run.toml").string();
  }

  std::filesystem::path folder_;
};

TEST_F(JsonFileOnDisk, IsFoundBesideTheFileThatNamesIt) {
  const Loaded loaded = toml("config = \"ds.json\"", toml_file());

  EXPECT_EQ(loaded.config.zero.stage, 2);
  EXPECT_EQ(loaded.config.source, (folder_ / "configs" / "ds.json").string());
}

TEST_F(JsonFileOnDisk, ThatIsNotThereIsAnErrorWhereItIsNamed) {
  const std::string said =
      test::error_of([&] { std::ignore = toml("\nconfig = \"sd.json\"", toml_file()); });

  EXPECT_THAT(said, HasSubstr("run.toml:2:"));
  EXPECT_THAT(said, HasSubstr("sd.json"));
  EXPECT_THAT(said, HasSubstr("relative to the file that names it"));
}

TEST_F(JsonFileOnDisk, KeysBesideItReplaceItsOwnAndSaySo) {
  const Loaded loaded =
      toml("config = \"ds.json\"\nzero_optimization = { stage = 1 }", toml_file());

  EXPECT_EQ(loaded.config.zero.stage, 1);
  EXPECT_THAT(loaded.config.warnings,
              ElementsAre(HasSubstr("zero_optimization replaces the one at")));
}

}  // namespace
}  // namespace strata::deepspeed
