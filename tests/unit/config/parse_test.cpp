// TOML to values.
#include "config/parse.hpp"

#include <cmath>
#include <string>

#include <gmock/gmock.h>

#include "strata/cpp/error.hpp"

#include "config/path.hpp"

namespace strata::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(std::string_view toml) {
  try {
    (void)parse_toml(toml, "c.toml");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

TEST(Parse, KeepsTheOrderOfTheFile) {
  const Value v = parse_toml("z = 1\na = 2\n[m]\n[b]\ny = {q = 1, c = 2}\n[m.x]\n", "c.toml");

  EXPECT_THAT(v.keys(), ElementsAre("z", "a", "m", "b"));
  EXPECT_THAT(v.at("b.y").keys(), ElementsAre("q", "c"));
}

TEST(Parse, KnowsThePlaceOfEveryKeyAndItem) {
  const Value v = parse_toml("a = 1\n[t]\n  b = [10,\n 20]\n  c = {d = 2}\n", "c.toml");

  EXPECT_EQ(v.at("a").where(), "c.toml:1:1");
  EXPECT_EQ(v.at("t").where(), "c.toml:2:2");
  EXPECT_EQ(v.at("t.b").where(), "c.toml:3:3");
  EXPECT_EQ(v.at("t.b.1").where(), "c.toml:4:2");
  EXPECT_EQ(v.at("t.c.d").where(), "c.toml:5:8");
}

TEST(Parse, NamesThePlaceOfASyntaxError) {
  EXPECT_THAT(refusal("a = 1\nb = = 2\n"), StartsWith("c.toml:2:5: this is not TOML: "));
}

TEST(Parse, RefusesAKeyThatIsGivenTwice) {
  EXPECT_THAT(refusal("a = 1\na = 2\n"), StartsWith("c.toml:2:"));
}

TEST(Parse, RefusesDatesAndTimes) {
  for (const char* date : {"1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"}) {
    EXPECT_EQ(
        refusal(std::string("\nday = ") + date),
        "c.toml:2:1: dates and times are not part of a configuration; put the value in quotes");
  }
}

TEST(Parse, ReadsWindowsNewlinesAndAByteOrderMark) {
  const Value v = parse_toml(
      "\xEF\xBB\xBF"
      "a = 1\r\n[t]\r\nb = 'x'\r\n",
      "c.toml");

  EXPECT_EQ(v.get<int>("a"), 1);
  EXPECT_EQ(v.get<std::string>("t.b"), "x");
  EXPECT_EQ(v.at("t.b").where(), "c.toml:3:1");
}

TEST(Parse, ReadsUnicodeKeysAndText) {
  const Value v = parse_toml("\"größe\" = 'ü€𝄞'\n", "c.toml");

  EXPECT_EQ(v.child("größe")->as_text(), "ü€𝄞");
}

TEST(Parse, ReadsFloatsToTheLastBit) {
  const Value v =
      parse_toml("a = 0.1\nb = 1e-300\nc = 1.7976931348623157e308\nd = 5e-324\ne = -0.0\n", "c");

  EXPECT_EQ(v.get<double>("a"), 0.1);
  EXPECT_EQ(v.get<double>("b"), 1e-300);
  EXPECT_EQ(v.get<double>("c"), 1.7976931348623157e308);
  EXPECT_EQ(v.get<double>("d"), 5e-324);
  EXPECT_TRUE(std::signbit(v.get<double>("e")));
}

TEST(Parse, RefusesAnIntegerBeyond64Bits) {
  EXPECT_THAT(refusal("a = 9223372036854775808\n"), StartsWith("c.toml:1:"));
}

TEST(Parse, RefusesListsNestedTooDeep) {
  const std::string message = refusal("a = " + repeated("[", 5000) + repeated("]", 5000));

  EXPECT_THAT(message, StartsWith("c.toml:1:"));
  EXPECT_THAT(message, HasSubstr("256"));
}

TEST(Parse, RefusesTablesNestedTooDeep) {
  EXPECT_THAT(refusal("[a" + repeated(".a", 5000) + "]\n"),
              HasSubstr("nested more than 256 levels deep; nest less deeply"));
  EXPECT_THAT(refusal("a" + repeated(".a", 5000) + " = 1\n"),
              HasSubstr("nested more than 256 levels deep"));
}

TEST(Parse, ReadsTablesNestedAsDeepAsAllowed) {
  Value v = parse_toml("a" + repeated(".a", kMaxDepth - 1) + " = 1\n", "c.toml");

  EXPECT_NO_THROW(seal(v));
}

TEST(Parse, NamesAFileThatCannotBeOpened) {
  try {
    (void)parse_file("/nowhere/x.toml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "/nowhere/x.toml: this configuration file cannot be opened; check its path");
  }
  EXPECT_THROW((void)parse_file("/"), Error);
}

TEST(Parse, ReadsASingleValue) {
  const Origin origin{{}, 0, 0, "default"};

  EXPECT_EQ(parse_toml_value("{a = [1, 2]}", origin).get<int>("a.1"), 2);
  EXPECT_EQ(parse_toml_value("{a = [1, 2]}", origin).at("a.1").where(), "default");
}

TEST(Parse, RefusesWhatIsNoSingleValue) {
  EXPECT_THROW((void)parse_toml_value("1\nb = 2", {}), Error);
  EXPECT_THROW((void)parse_toml_value("[1", {}), Error);
}

}  // namespace
}  // namespace strata::config
