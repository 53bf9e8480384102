// Writing: TOML, listings, JSON, differences.
#include "config/dump.hpp"

#include <bit>
#include <cmath>

#include <gmock/gmock.h>

#include "config/diff.hpp"
#include "config/json.hpp"
#include "config_files.hpp"

namespace strata::config {
namespace {

using testing::ElementsAre;

/// Loads what dump wrote.
class Dump : public ConfigFiles {
 protected:
  [[nodiscard]] Value again(const Value& value) const {
    write("again.toml", dump(value));
    return load_file("again.toml");
  }
};

constexpr const char* kNasty = R"(
"key with space" = "tab\t quote\" back\\slash \u0001 \u007f ü€𝄞"
"" = ""
"a.b" = 1
'größe' = """multi
line"""
braces = '\{{ not.a.reference }} \{{{'
backslash_braces = '\\{{ x'
dates = "1979-05-27"
mixed = [1, "a", 2.0, [true, []], {x = 1, "y z" = {w = [{}]}}]
empty_list = []
min = -9223372036854775808
last.dotted.key = 1

[only.sections.inside]
x = 1
[only.sections.also]

[empty]

[[hooks]]
type = "A"
[hooks.sub.deep]
k = 1
[[hooks.items]]
i = 1
[[hooks.items]]
[[hooks]]
)";

TEST_F(Dump, OfANastyTreeLoadsBackEqual) {
  const Value v = load_text(kNasty);

  EXPECT_EQ(again(v), v);
  EXPECT_EQ(dump(again(v)), dump(v));
  EXPECT_EQ(v.get<std::string>("braces"), "{{ not.a.reference }} {{{");
}

TEST_F(Dump, KeepsFloatsToTheBitAndAsFloats) {
  const Value v = load_text(
      "a = 0.1\nb = 1e7\nc = 1e22\nd = 5e-324\ne = 1.7976931348623157e308\nf = -0.0\ng = "
      "0.30000000000000004\n"
      "h = 1e-5\ni = inf\nj = -inf\nk = nan\nl = 123456789012345680.0\n");
  const Value w = again(v);

  for (const Entry& entry : v.as_table()) {
    const Value& other = *w.child(entry.key);
    ASSERT_EQ(other.kind(), Kind::kFloat) << entry.key;
    EXPECT_TRUE(std::bit_cast<std::uint64_t>(other.as_float()) ==
                    std::bit_cast<std::uint64_t>(entry.value.as_float()) ||
                std::isnan(entry.value.as_float()))
        << entry.key;
  }
}

TEST_F(Dump, WritesTheShortestFloat) {
  EXPECT_EQ(dump(load_text("a = 0.10\nb = 1e7\nc = 1e-05\nd = 3.0\n")),
            "a = 0.1\nb = 1e+07\nc = 1e-05\nd = 3.0\n");
}

TEST_F(Dump, WritesSectionsBehindTheKeysOfTheirTable) {
  const Value v = load_text("a = {x = 1}\nb = 2\n");

  EXPECT_EQ(dump(v), "b = 2\n\n[a]\nx = 1\n");
}

TEST_F(Dump, LeavesOutHeadersOfTablesThatOnlyHoldTables) {
  EXPECT_EQ(dump(load_text("[a.b.c]\nx = 1\n")), "[a.b.c]\nx = 1\n");
}

TEST_F(Dump, LoadsBackATreeAsDeepAsAllowed) {
  std::string content = "a = ";
  for (int i = 0; i < 250; ++i) {
    content += '[';
  }
  content += std::string(250, ']');
  const Value v = load_text(content);

  EXPECT_EQ(again(v), v);
}

TEST_F(Dump, HoldsTheResolvedValues) {
  EXPECT_EQ(dump(load_text("a = 2\nb = '{{ a }}'\n", {"c=x"})), "a = 2\nb = 2\nc = \"x\"\n");
}

TEST_F(Dump, ShowListsEveryLeafWithItsOrigin) {
  setenv("STRATA_TEST_SHOW", "4", 1);
  write("base.toml", "[s]\ntype = 'X'\nl = [1, 2]\n");
  write("c.toml", "_base_ = 'base.toml'\nn = '{{$STRATA_TEST_SHOW}}'\n[e]\n[[h]]\nk = 1\n");

  const std::string shown = without_folder(show(load_file("c.toml", {"s.x=0.5"})));

  EXPECT_EQ(shown,
            "s.type = \"X\"    # base.toml:2\n"
            "s.l = [1, 2]    # base.toml:3\n"
            "s.x = 0.5    # --cfg-options\n"
            "n = 4    # c.toml:2 (env STRATA_TEST_SHOW)\n"
            "e = {}    # c.toml:3\n"
            "h.0.k = 1    # c.toml:5\n");
}

TEST_F(Dump, JsonKeepsOrderTypesAndText) {
  const Value v =
      load_text("z = 1\na = 1.0\nt = \"q\\\"ü\"\nl = [true, {k = []}]\ni = inf\nn = nan\n[e]\n");

  EXPECT_EQ(to_json(v),
            R"({"z":1,"a":1.0,"t":"q\"ü","l":[true,{"k":[]}],"i":"inf","n":"nan","e":{}})");
}

TEST_F(Dump, DiffNamesChangedRemovedAndAddedLeaves) {
  const Value a = load_text("same = 1\nseed = 1\n[m]\ngone = 'x'\nl = [1]\n");
  const Value b = load_text("same = 1\nseed = 2\n[m]\nl = [1, 2]\nnew = true\n");

  EXPECT_THAT(diff(a, b),
              ElementsAre("- seed = 1",
                          "+ seed = 2",
                          "- m.gone = \"x\"",
                          "- m.l = [1]",
                          "+ m.l = [1, 2]",
                          "+ m.new = true"));
}

TEST_F(Dump, DiffOfEqualTreesIsEmpty) {
  EXPECT_TRUE(diff(load_text("a = 1\nb = nan\n"), load_text("\nb = nan\na = 1\n")).empty());
}

}  // namespace
}  // namespace strata::config
