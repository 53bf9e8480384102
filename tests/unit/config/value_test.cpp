// Reading of values.
#include "config/value.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "strata/cpp/error.hpp"

#include "config/parse.hpp"

namespace strata::config {
namespace {

using testing::ElementsAre;

Value tree(std::string_view toml) {
  Value value = parse_toml(toml, "c.toml");
  seal(value);
  return value;
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

std::vector<std::string> paths(const std::vector<const Value*>& values) {
  std::vector<std::string> out;
  out.reserve(values.size());
  for (const Value* value : values) {
    out.push_back(value->path());
  }
  return out;
}

TEST(Value, ReadsEveryKindByDottedPath) {
  const Value v =
      tree("a = {b = true, n = -3, x = 0.5, t = 'hi', l = [1, 2], m = [0.5, 1], s = ['p']}");

  EXPECT_EQ(v.get<bool>("a.b"), true);
  EXPECT_EQ(v.get<int>("a.n"), -3);
  EXPECT_EQ(v.get<double>("a.x"), 0.5);
  EXPECT_EQ(v.get<std::string>("a.t"), "hi");
  EXPECT_THAT(v.get<std::vector<std::int64_t>>("a.l"), ElementsAre(1, 2));
  EXPECT_THAT(v.get<std::vector<double>>("a.m"), ElementsAre(0.5, 1.0));
  EXPECT_THAT(v.get<std::vector<std::string>>("a.s"), ElementsAre("p"));
  EXPECT_EQ(v.get<int>("a.l.1"), 2);
}

TEST(Value, TakesAnIntegralFloatForAnIntegerAndAnIntegerForAFloat) {
  const Value v = tree("bytes = 1e7\nlr = 1\n");

  EXPECT_EQ(v.get<std::int64_t>("bytes"), 10'000'000);
  EXPECT_EQ(v.get<double>("lr"), 1.0);
}

TEST(Value, RefusesAFloatThatIsNoInteger) {
  const Value v = tree("a = 0.5\nb = 1e300\nc = nan\nd = 9223372036854775808.0\n");

  EXPECT_EQ(refusal([&] { (void)v.get<int>("a"); }),
            "c.toml:1:1: a must be an integer, found a float (0.5)");
  for (const char* key : {"b", "c", "d"}) {
    EXPECT_THROW((void)v.get<std::int64_t>(key), Error) << key;
  }
}

TEST(Value, NamesKeyPlaceWantedAndFoundType) {
  const Value v = tree("[strategy]\n\n  stage = 'three'\n");

  EXPECT_EQ(refusal([&] { (void)v.get<int>("strategy.stage"); }),
            "c.toml:3:3: strategy.stage must be an integer, found a text \"three\"");
  EXPECT_EQ(refusal([&] { (void)v.get<bool>("strategy"); }),
            "c.toml:1:2: strategy must be true or false, found a table");
  EXPECT_EQ(refusal([&] { (void)v.get<std::vector<int>>("strategy.stage"); }),
            "c.toml:3:3: strategy.stage must be a list, found a text \"three\"");
}

TEST(Value, DoesNotTakeABoolForANumber) {
  const Value v = tree("a = true\nb = 1\n");

  EXPECT_THROW((void)v.get<int>("a"), Error);
  EXPECT_THROW((void)v.get<double>("a"), Error);
  EXPECT_THROW((void)v.get<bool>("b"), Error);
}

TEST(Value, RefusesAnIntegerThatDoesNotFitTheWantedType) {
  const Value v = tree("a = 300\nb = -1\n");

  EXPECT_EQ(refusal([&] { (void)v.get<std::uint8_t>("a"); }),
            "c.toml:1:1: a = 300 does not fit; use 0 to 255");
  EXPECT_EQ(refusal([&] { (void)v.get<std::uint64_t>("b"); }),
            "c.toml:2:1: b = -1 does not fit; use 0 to 18446744073709551615");
}

TEST(Value, NamesTheNearestKeyOfAMissingOne) {
  const Value v = tree("[optim_wrapper.optimizer]\nmomentum = 0.9\n");

  EXPECT_EQ(refusal([&] { (void)v.at("optim_wrapper.optimizer.momentun"); }),
            "c.toml:1:16: the key \"momentun\" is missing in optim_wrapper.optimizer; did you mean "
            "\"momentum\"?");
}

TEST(Value, GivesTheFallbackOnlyWhenTheKeyIsAbsent) {
  const Value v = tree("a = 'x'\n");

  EXPECT_EQ(v.get_or<int>("b", 7), 7);
  EXPECT_EQ(v.get_optional<int>("b.c"), std::nullopt);
  EXPECT_THROW((void)v.get_or<int>("a", 7), Error);
}

TEST(Value, FindsNothingThroughAScalarOrBeyondAList) {
  const Value v = tree("a = 1\nl = [1]\n");

  EXPECT_EQ(v.find("a.b"), nullptr);
  EXPECT_EQ(v.find("l.1"), nullptr);
  EXPECT_EQ(v.find("l.x"), nullptr);
}

TEST(Value, ReportsTheTopmostUnreadKeys) {
  const Value v =
      tree("used = 1\nunused = 2\n[a]\nx = 1\ny = [1, 2]\n[a.deep]\nz = 1\n[b]\nq = 1\n");

  (void)v.get<int>("used");
  (void)v.get<std::vector<int>>("a.y");

  EXPECT_THAT(paths(unread(v)), ElementsAre("unused", "a.x", "a.deep", "b"));
}

TEST(Value, ReportsUnreadKeysOfTablesInAListThatWasRead) {
  const Value v = tree("[[hooks]]\ntype = 'A'\nspeed = 1\n");

  for (const Value& hook : v.at("hooks").as_list()) {
    (void)hook.get<std::string>("type");
  }

  EXPECT_THAT(paths(unread(v)), ElementsAre("hooks.0.speed"));
}

TEST(Value, CountsEverythingAsReadAfterMarkAllRead) {
  const Value v = tree("a = {b = [{c = 1}]}\n");

  v.mark_all_read();

  EXPECT_TRUE(unread(v).empty());
}

TEST(Value, DoesNotMarkWhenAKeyIsOnlyLookedAt) {
  const Value v = tree("a = 1\n");

  EXPECT_NE(v.child("a"), nullptr);
  EXPECT_NE(v.step("a"), nullptr);

  EXPECT_FALSE(v.child("a")->was_read());
}

TEST(Value, KeepsTheAddressesOfItsNodesWhenTheRootMoves) {
  Value v = tree("a = {b = 1}\n");
  const Value* before = v.find("a.b");

  const Value moved = std::move(v);

  EXPECT_EQ(moved.find("a.b"), before);
}

TEST(Value, ComparesValuesNotPlacesNorTheOrderOfKeys) {
  EXPECT_EQ(tree("a = 1\nb = nan\n"), tree("\n\nb = nan\na = 1\n"));
  EXPECT_FALSE(tree("a = 1\n") == tree("a = 1.0\n"));
  EXPECT_FALSE(tree("a = [1, 2]\n") == tree("a = [2, 1]\n"));
  EXPECT_FALSE(tree("a = 1\n") == tree("a = 1\nb = 1\n"));
}

TEST(Value, NumbersItsKindsAsThePluginBorderDoes) {
  const Value v = tree("a = true\nb = 1\nc = 1.0\nd = ''\ne = []\nf = {}\n");

  std::vector<int> kinds;
  for (const Entry& entry : v.as_table()) {
    kinds.push_back(static_cast<int>(entry.value.kind()));
  }

  EXPECT_THAT(kinds,
              ElementsAre(STRATA_NODE_BOOL,
                          STRATA_NODE_INT,
                          STRATA_NODE_FLOAT,
                          STRATA_NODE_TEXT,
                          STRATA_NODE_LIST,
                          STRATA_NODE_TABLE));
}

TEST(Value, RefusesTextThatIsNotUtf8WhenSealed) {
  Value v = tree("a = 'x'\n");
  for (const char* bad : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    v.set("a", Value(std::string(bad), Origin{"c.toml", 1, 1, {}}));
    EXPECT_EQ(refusal([&] { seal(v); }), "c.toml:1:1: a is not UTF-8 text; encode it as UTF-8");
  }
}

TEST(Value, SealsTextOfEveryUtf8Length) {
  Value v = tree("a = 'aß€𝄞'\n");

  EXPECT_NO_THROW(seal(v));
}

}  // namespace
}  // namespace strata::config
