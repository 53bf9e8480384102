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

// So deep that toml++ itself, or the end of its tree, would run out of stack.
TEST(Parse, RefusesWhatNestsTooDeepAtItsPlace) {
  constexpr int kDeep = 100'000;
  const std::string keys = "a" + repeated(".a", kDeep);
  const std::string words = ": nested more than 256 levels deep; nest less deeply";

  EXPECT_EQ(refusal("b = 1\n[" + keys + "]\n"), "c.toml:2:513" + words);
  EXPECT_EQ(refusal("[[" + keys + "]]\n"), "c.toml:1:512" + words);
  EXPECT_EQ(refusal("b = 1\n\n" + keys + " = 1\n"), "c.toml:3:514" + words);
  EXPECT_EQ(refusal("a = " + repeated("[", kDeep) + repeated("]", kDeep)), "c.toml:1:261" + words);
  EXPECT_EQ(refusal("a = " + repeated("[\n", kDeep) + repeated("]", kDeep)),
            "c.toml:257:1" + words);
  EXPECT_EQ(refusal("a = " + repeated("{b = ", kDeep) + "1" + repeated("}", kDeep)),
            "c.toml:1:1285" + words);
  EXPECT_EQ(refusal("a = " + repeated("{b.c.d = ", 200) + "1" + repeated("}", 200)),
            "c.toml:1:772" + words);
  EXPECT_EQ(refusal("[\"ä\"" + repeated(".\"ä\"", kDeep) + "]\n"), "c.toml:1:1025" + words);
}

TEST(Parse, RefusesAHeaderAndAKeyThatTogetherNestTooDeep) {
  const std::string half = "a" + repeated(".a", 150);

  EXPECT_THAT(refusal("[" + half + "]\n" + half + " = 1\n"),
              HasSubstr("nested more than 256 levels deep"));
}

TEST(Parse, CountsNoDotsAndBracketsOfTextsAndComments) {
  const std::string many = repeated("[{.", 300);
  const std::string text = "# " + many + "\na = '" + many + "'\nb = \"\\\"" + many +
                           "\"\nc = \"\"\"\n\"" + many + "\n\"\"\"\"\"\nd = ''\ne = '''" + many +
                           "'''  # " + many + "\nf = [\"]\", '''''', \"" + many + "\"]\n";
  const Value v = parse_toml(text, "c.toml");

  EXPECT_EQ(v.get<std::string>("a"), many);
  EXPECT_EQ(v.get<std::string>("b"), "\"" + many);
  EXPECT_EQ(v.get<std::string>("c"), "\"" + many + "\n\"\"");
  EXPECT_EQ(v.get<std::string>("e"), many);
  EXPECT_EQ(v.get<std::string>("f.2"), many);
}

TEST(Parse, ReadsManyShallowKeysAndValues) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "[t" + std::to_string(i) + ".a.b]\nx.y = [1.5, {z = 2.5, w.v = []}]\n";
  }

  EXPECT_EQ(parse_toml(text, "c.toml").size(), 1000U);
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
