// --cfg-options.
#include "config/overrides.hpp"

#include <gmock/gmock.h>

#include "config/dump.hpp"
#include "config/literal.hpp"
#include "config_files.hpp"

namespace strata::config {
namespace {

using testing::HasSubstr;

std::string literal(std::string_view text) {
  const std::optional<Value> value = parse_literal(text, {{}, 0, 0, "--cfg-options"});
  return value ? format_inline(*value) : "None";
}

TEST(Literal, ReadsIntegers) {
  EXPECT_EQ(literal("8"), "8");
  EXPECT_EQ(literal(" -3 "), "-3");
  EXPECT_EQ(literal("+5"), "5");
  EXPECT_EQ(literal("50_000_000"), "50000000");
  EXPECT_EQ(literal("9223372036854775807"), "9223372036854775807");
}

TEST(Literal, ReadsFloats) {
  EXPECT_EQ(literal("0.1"), "0.1");
  EXPECT_EQ(literal("1e-3"), "0.001");
  EXPECT_EQ(literal(".5"), "0.5");
  EXPECT_EQ(literal("5."), "5.0");
  EXPECT_EQ(literal("-inf"), "-inf");
  EXPECT_EQ(literal("nan"), "nan");
}

TEST(Literal, ReadsBoolsInAnyCaseAndNone) {
  EXPECT_EQ(literal("true"), "true");
  EXPECT_EQ(literal("False"), "false");
  EXPECT_EQ(literal("None"), "None");
}

TEST(Literal, TakesAllElseForText) {
  EXPECT_EQ(literal("AdamW"), "\"AdamW\"");
  EXPECT_EQ(literal("1.2.3"), "\"1.2.3\"");
  EXPECT_EQ(literal("a b"), "\"a b\"");
  EXPECT_EQ(literal("it's"), "\"it's\"");
  EXPECT_EQ(literal("/data/x=1"), "\"/data/x=1\"");
  EXPECT_EQ(literal("_1"), "\"_1\"");
  EXPECT_EQ(literal("0x10"), "\"0x10\"");
  EXPECT_EQ(literal("none"), "\"none\"");
  EXPECT_EQ(literal(""), "\"\"");
}

TEST(Literal, StripsQuotesAndKeepsQuotedTextText) {
  EXPECT_EQ(literal("'abc'"), "\"abc\"");
  EXPECT_EQ(literal("\"8\""), "\"8\"");
  EXPECT_EQ(literal("'a,b'"), "\"a,b\"");
  EXPECT_EQ(literal("'None'"), "\"None\"");
  EXPECT_EQ(literal("'['"), "\"[\"");
}

TEST(Literal, NestsBracketsAndBareCommas) {
  EXPECT_EQ(literal("[1,2.5,x]"), "[1, 2.5, \"x\"]");
  EXPECT_EQ(literal("1,2"), "[1, 2]");
  EXPECT_EQ(literal("(1,)"), "[1]");
  EXPECT_EQ(literal("[]"), "[]");
  EXPECT_EQ(literal("[[1, 2], (a, 'b,c')]"), "[[1, 2], [\"a\", \"b,c\"]]");
  EXPECT_EQ(literal("[(1,2)],3"), "[[[1, 2]], 3]");
}

TEST(Literal, ReadsInlineTablesAsToml) {
  EXPECT_EQ(literal("{type=\"SGD\", lr=0.1}"), "{type = \"SGD\", lr = 0.1}");
  EXPECT_EQ(literal("[{a=1}, {a=\"}\\\"\"}]"), "[{a = 1}, {a = \"}\\\"\"}]");
}

TEST(Literal, RefusesWhatCannotBeRead) {
  for (const char* text :
       {"[1", "1]", "(1]", "['a", "[1,None]", "{a=}", "{a=1", "9223372036854775808", "1e400"}) {
    EXPECT_THROW((void)literal(text), Error) << text;
  }
}

TEST(Literal, RefusesTooDeepNesting) {
  EXPECT_THROW((void)literal(std::string(10'000, '[') + std::string(10'000, ']')), Error);
}

/// Applies options to a small file.
class Overrides : public ConfigFiles {
 protected:
  [[nodiscard]] Value with(const std::vector<std::string>& options) const {
    return load_text("seed = 1\n[o]\ntype = 'AdamW'\nbetas = [0.9, 0.99]\n[[hooks]]\ntype = 'A'\n",
                     options);
  }

  [[nodiscard]] std::string option_refusal(const std::string& option) const {
    return refusal([&] { (void)with({option}); });
  }
};

TEST_F(Overrides, SetValuesByDottedPath) {
  const Value v = with({"seed=7", "o.lr=1e-3", "o.betas.1=0.5", "hooks.0.type=B"});

  EXPECT_EQ(v.get<int>("seed"), 7);
  EXPECT_EQ(v.get<double>("o.lr"), 1e-3);
  EXPECT_EQ(v.get<double>("o.betas.1"), 0.5);
  EXPECT_EQ(v.get<std::string>("hooks.0.type"), "B");
}

TEST_F(Overrides, SayWhereTheyCameFrom) {
  EXPECT_EQ(with({"o.lr=1"}).at("o.lr").where(), "--cfg-options");
}

TEST_F(Overrides, LeaveThePlaceOfTheTableAroundThem) {
  EXPECT_EQ(without_folder(with({"o.lr=1"}).at("o").where()), "c.toml:2:2");
}

TEST_F(Overrides, CreateMissingTables) {
  EXPECT_EQ(with({"a.b.c=1"}).get<int>("a.b.c"), 1);
}

TEST_F(Overrides, RemoveAKeyWithNone) {
  const Value v = with({"o=None", "hooks=None", "absent=None"});

  EXPECT_EQ(dump(v), "seed = 1\n");
}

TEST_F(Overrides, MergeTables) {
  EXPECT_EQ(dump(*with({"o={type=\"SGD\"}"}).find("o")), "type = \"SGD\"\nbetas = [0.9, 0.99]\n");
  EXPECT_EQ(dump(*with({"o={_delete_=true, type=\"SGD\"}"}).find("o")), "type = \"SGD\"\n");
  EXPECT_EQ(dump(*with({"o._delete_=true", "o.type=SGD"}).find("o")), "type = \"SGD\"\n");
  EXPECT_EQ(dump(*with({"hooks.0={every=2}"}).find("hooks.0")), "type = \"A\"\nevery = 2\n");
}

TEST_F(Overrides, ReplaceLists) {
  EXPECT_EQ(format_inline(with({"o.betas=1,2"}).at("o.betas")), "[1, 2]");
  EXPECT_EQ(format_inline(with({"hooks=[]"}).at("hooks")), "[]");
}

TEST_F(Overrides, TheLastOneWins) {
  EXPECT_EQ(with({"seed=2", "seed=3"}).get<int>("seed"), 3);
}

TEST_F(Overrides, RefuseAListNumberOutOfRange) {
  EXPECT_EQ(option_refusal("o.betas.2=1"),
            "--cfg-options o.betas.2=1: o.betas is a list of 2 items (c.toml:4:1); \"2\" is not "
            "one of its "
            "numbers, which go from 0 to 1");
  EXPECT_THAT(option_refusal("hooks.last.type=B"), HasSubstr("\"last\" is not one of its numbers"));
  EXPECT_THAT(option_refusal("hooks.-1.type=B"), HasSubstr("\"-1\" is not one of its numbers"));
}

TEST_F(Overrides, RefuseAPathThroughAScalar) {
  EXPECT_EQ(option_refusal("seed.x=1"),
            "--cfg-options seed.x=1: seed is an integer (c.toml:1:1), so it has no key \"x\"; set "
            "seed itself, "
            "or remove it first with seed=None");
  EXPECT_THAT(option_refusal("seed.x.y=1"), HasSubstr("it has no key \"x\""));
}

TEST_F(Overrides, RefuseToTurnATableIntoAScalarOrBack) {
  EXPECT_EQ(option_refusal("o=3"),
            "--cfg-options o=3: o is a table (c.toml:2:2) and cannot become an integer in one go; "
            "remove it "
            "first with o=None, or set a key inside it");
  EXPECT_THAT(option_refusal("seed={a=1}"),
              HasSubstr("seed is an integer (c.toml:1:1) and cannot become a table"));
  EXPECT_EQ(with({"o=None", "o=3"}).get<int>("o"), 3);
}

TEST_F(Overrides, RefuseNoneForAListItem) {
  EXPECT_THAT(option_refusal("o.betas.0=None"),
              HasSubstr("o.betas.0 is a list item and cannot be None"));
}

TEST_F(Overrides, RefuseAnOptionWithoutEqualsOrKey) {
  EXPECT_EQ(option_refusal("seed"),
            "--cfg-options seed: this option has no \"=\"; write it as key.path=value");
  EXPECT_THAT(option_refusal("=1"), HasSubstr("has an empty key"));
}

TEST_F(Overrides, RefuseTextThatIsNotUtf8) {
  EXPECT_THAT(option_refusal("o.type=\xff"), HasSubstr("o.type is not UTF-8 text"));
}

TEST_F(Overrides, NameTheOptionOfAnUnreadableValue) {
  EXPECT_EQ(
      option_refusal("o.betas=[1,2"),
      "--cfg-options o.betas=[1,2: the value `[1,2` has a missing \"]\"; put a text that means it "
      "literally in quotes");
}

}  // namespace
}  // namespace strata::config
