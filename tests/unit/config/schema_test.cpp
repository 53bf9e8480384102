// Checks against fields.
#include "config/schema.hpp"

#include <array>
#include <limits>

#include <gmock/gmock.h>

#include "strata/cpp/error.hpp"

#include "config/allowed.hpp"
#include "config/dump.hpp"
#include "config/parse.hpp"

namespace strata::config {
namespace {

FieldSpec field(std::string name, std::int32_t kind, std::string allowed = {}) {
  FieldSpec out;
  out.name = std::move(name);
  out.kind = kind;
  out.allowed = std::move(allowed);
  return out;
}

const std::vector<FieldSpec>& zero_fields() {
  static const std::vector<FieldSpec> fields = [] {
    std::vector<FieldSpec> out = {
        field("stage", STRATA_FIELD_INT, "0|1|2|3"),
        field("overlap_comm", STRATA_FIELD_BOOL),
        field("momentum", STRATA_FIELD_FLOAT, "[0, 1)"),
        field("placement", STRATA_FIELD_TEXT, "static|auto"),
        field("sizes", STRATA_FIELD_INT_LIST, "(0, inf)"),
        field("names", STRATA_FIELD_TEXT_LIST),
        field("offload", STRATA_FIELD_NODE, "table|bool"),
    };
    out[6].fields = {field("pin", STRATA_FIELD_BOOL)};
    return out;
  }();
  return fields;
}

/// The refusal of a table `z` in a file, or "" when it passes.
std::string problems_of(const std::string& toml,
                        std::span<const FieldSpec> fields = zero_fields()) {
  Value v = parse_toml("[z]\n" + toml, "c.toml");
  seal(v);
  try {
    check_fields(*v.child("z"), fields, {"ZeroStrategy", {}});
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.what();
  }
  return {};
}

TEST(Schema, PassesWhatTheFieldsAllow) {
  EXPECT_EQ(problems_of(
                "type = 'Zero'\nstage = 3\noverlap_comm = true\nmomentum = 0\nplacement = 'auto'\n"
                "sizes = [1, 1e7]\nnames = []\noffload = {pin = true}\n"),
            "");
}

TEST(Schema, OffersTheNearestNameOfAnUnknownKey) {
  EXPECT_EQ(problems_of("\nstag = 3\n"),
            "c.toml:3:1: unknown key \"stag\" in z (ZeroStrategy); did you mean \"stage\"?");
}

TEST(Schema, ListsTheKnownKeysWhenNoneIsNear) {
  EXPECT_EQ(problems_of("qqqqqq = 3\n"),
            "c.toml:2:1: unknown key \"qqqqqq\" in z (ZeroStrategy); known: stage, overlap_comm, "
            "momentum, "
            "placement, sizes, names, offload");
}

TEST(Schema, NamesWantedAndFoundTypes) {
  EXPECT_EQ(problems_of("stage = 'three'\n"),
            "c.toml:2:1: z.stage must be an integer, found a text (\"three\")");
  EXPECT_EQ(problems_of("stage = 1.5\n"),
            "c.toml:2:1: z.stage must be an integer, found a float (1.5)");
  EXPECT_EQ(problems_of("stage = true\n"),
            "c.toml:2:1: z.stage must be an integer, found a bool (true)");
  EXPECT_EQ(problems_of("overlap_comm = 1\n"),
            "c.toml:2:1: z.overlap_comm must be true or false, found an integer (1)");
  EXPECT_EQ(problems_of("momentum = [1]\n"),
            "c.toml:2:1: z.momentum must be a float, found a list");
  EXPECT_EQ(problems_of("sizes = 1\n"),
            "c.toml:2:1: z.sizes must be a list of integers, found an integer (1)");
  EXPECT_EQ(problems_of("sizes = [1, 'x']\n"),
            "c.toml:2:13: z.sizes.1 must be an integer, found a text (\"x\")");
  EXPECT_EQ(problems_of("offload = 3\n"),
            "c.toml:2:1: z.offload cannot be an integer; use table or bool");
}

TEST(Schema, RefusesValuesOutsideOfTheAllowedOnes) {
  EXPECT_EQ(problems_of("stage = 4\n"), "c.toml:2:1: z.stage = 4 is not allowed; use 0, 1, 2 or 3");
  EXPECT_EQ(problems_of("momentum = 1\n"),
            "c.toml:2:1: z.momentum = 1 is not allowed; use a number in [0, 1)");
  EXPECT_EQ(problems_of("momentum = nan\n"),
            "c.toml:2:1: z.momentum = nan is not allowed; use a number in [0, 1)");
  EXPECT_EQ(problems_of("sizes = [0]\n"),
            "c.toml:2:10: z.sizes.0 = 0 is not allowed; use a number in (0, inf)");
  EXPECT_EQ(problems_of("placement = 'Static'\n"),
            "c.toml:2:1: z.placement = \"Static\" is not allowed; use static or auto (did you mean "
            "\"static\"?)");
}

TEST(Schema, NamesAMissingRequiredKeyAtItsTable) {
  FieldSpec lr = field("lr", STRATA_FIELD_FLOAT);
  lr.required = true;
  lr.doc = "learning rate";

  EXPECT_EQ(
      problems_of("\n", {&lr, 1}),
      "c.toml:1:2: the required key \"lr\" is missing in z (ZeroStrategy) (learning rate); add it");
  EXPECT_EQ(problems_of("lr = 1\n", {&lr, 1}), "");
}

TEST(Schema, ReportsAllProblemsAtOnceEachWithItsPlace) {
  EXPECT_EQ(problems_of("stag = 3\nmomentum = 2\noffload = {pin = 1}\n"),
            "c.toml:2:1: unknown key \"stag\" in z (ZeroStrategy); did you mean \"stage\"?\n"
            "c.toml:3:1: z.momentum = 2 is not allowed; use a number in [0, 1)\n"
            "c.toml:4:12: z.offload.pin must be true or false, found an integer (1)");
}

TEST(Schema, ChecksTablesInsideLists) {
  FieldSpec hooks = field("hooks", STRATA_FIELD_NODE, "list");
  hooks.fields = {field("every", STRATA_FIELD_INT)};

  EXPECT_EQ(
      problems_of("hooks = [{every = 1}, {evry = 1}]\n", {&hooks, 1}),
      "c.toml:2:24: unknown key \"evry\" in z.hooks.1 (ZeroStrategy); did you mean \"every\"?");
}

TEST(Schema, LetsTypeAndOtherNamedKeysPass) {
  const Value v = parse_toml("type = 'X'\npriority = 'HIGH'\n", "c.toml");
  constexpr std::array<std::string_view, 1> kAlso = {"priority"};

  EXPECT_NO_THROW(check_fields(v, {}, {"XHook", kAlso}));
  EXPECT_THROW(check_fields(v, {}, {"XHook", {}}), Error);
}

TEST(Schema, ChecksAWholeConfiguration) {
  const Schema schema{
      "the configuration",
      {field("seed", STRATA_FIELD_INT), field("model", STRATA_FIELD_NODE, "table")}};
  const Value good = parse_toml("seed = 1\n[model]\nanything = 1\n", "c.toml");
  const Value bad = parse_toml("sed = 1\n", "c.toml");

  EXPECT_NO_THROW(check(good, schema));
  EXPECT_THAT(
      [&] { check(bad, schema); },
      testing::Throws<Error>(testing::Property(
          &Error::message, "unknown key \"sed\" in the configuration; did you mean \"seed\"?")));
}

TEST(Schema, RefusesAScalarWhereATableIsDue) {
  Value v = parse_toml("z = 1\n", "c.toml");
  seal(v);

  EXPECT_THAT([&] { check_fields(*v.child("z"), {}, {}); },
              testing::Throws<Error>(
                  testing::Property(&Error::message, "z must be a table, found an integer")));
}

TEST(Schema, CollectsProblemsOfSeveralTables) {
  Value v = parse_toml("[a]\nx = 1\n[b]\ny = 1\n", "c.toml");
  seal(v);
  Problems problems;

  find_problems(*v.child("a"), {}, {"A", {}}, problems);
  find_problems(*v.child("b"), {}, {"B", {}}, problems);

  EXPECT_EQ(problems.size(), 2U);
  EXPECT_THAT([&] { problems.throw_if_any(); },
              testing::Throws<Error>(testing::Property(&Error::where, "c.toml:2:1")));
}

TEST(Schema, MarksNothingAsRead) {
  Value v = parse_toml("stage = 1\n", "c.toml");

  check_fields(v, zero_fields());

  EXPECT_FALSE(v.child("stage")->was_read());
}

TEST(Schema, AddsDefaultsWhereKeysAreAbsent) {
  std::vector<FieldSpec> fields = {field("lr", STRATA_FIELD_FLOAT),
                                   field("name", STRATA_FIELD_TEXT),
                                   field("sub", STRATA_FIELD_NODE),
                                   field("none", STRATA_FIELD_INT)};
  fields[0].default_text = "1";
  fields[1].default_text = "\"x\"";
  fields[2].fields = {field("k", STRATA_FIELD_INT_LIST)};
  fields[2].fields[0].default_text = "[1, 2]";
  Value v = parse_toml("name = 'own'\n[sub]\n", "c.toml");

  add_defaults(v, fields);

  EXPECT_EQ(dump(v), "name = \"own\"\nlr = 1.0\n\n[sub]\nk = [1, 2]\n");
  EXPECT_EQ(v.at("lr").where(), "default");
}

TEST(Schema, BlamesTheFieldForADefaultOfTheWrongKind) {
  FieldSpec stage = field("stage", STRATA_FIELD_INT);
  stage.default_text = "\"three\"";
  Value v;

  EXPECT_THAT([&] { add_defaults(v, {&stage, 1}); },
              testing::Throws<Error>(testing::Property(&Error::code, STRATA_E_ARGUMENT)));
}

TEST(Schema, CopiesAPluginsField) {
  const auto str = [](std::string_view s) { return strata_str{s.data(), s.size()}; };
  const strata_field abi = {
      str("stage"), str("how much is sharded"), str("0"), str("0|1|2|3"), STRATA_FIELD_INT, 1};

  const FieldSpec spec = FieldSpec::from_abi(abi);

  EXPECT_EQ(spec.name, "stage");
  EXPECT_EQ(spec.allowed, "0|1|2|3");
  EXPECT_TRUE(spec.required);
  EXPECT_EQ(problems_of("stage = 4\n", {&spec, 1}),
            "c.toml:2:1: z.stage = 4 is not allowed; use 0, 1, 2 or 3");
}

TEST(Schema, RefusesAPluginsFieldOfUnknownKind) {
  const strata_field abi = {{}, {}, {}, {}, 99, 0};

  EXPECT_THROW((void)FieldSpec::from_abi(abi), Error);
}

TEST(Allowed, ReadsOpenAndClosedRanges) {
  const Allowed half_open = Allowed::parse("(0, 1]");

  EXPECT_FALSE(half_open.has_number(0));
  EXPECT_TRUE(half_open.has_number(1));
  EXPECT_FALSE(half_open.has_number(1.5));
  EXPECT_TRUE(Allowed::parse("[-inf, inf]").has_number(-1e308));
  EXPECT_FALSE(Allowed::parse("(0, inf)").has_number(std::numeric_limits<double>::infinity()));
}

TEST(Allowed, AllowsEverythingWhenEmpty) {
  EXPECT_TRUE(Allowed::parse("").has("anything"));
  EXPECT_TRUE(Allowed::parse("").has_number(-1));
}

TEST(Allowed, BlamesItsAuthorForUnreadableText) {
  for (const char* text : {"[0, 1", "[a, b]", "[1, 0]", "[1]", "a||b", "[0 1]"}) {
    EXPECT_THROW((void)Allowed::parse(text), Error) << text;
  }
}

TEST(Allowed, NamesTheFieldWhoseTextIsUnreadable) {
  const FieldSpec bad = field("lr", STRATA_FIELD_FLOAT, "[1, 0]");
  Value v = parse_toml("lr = 1\n", "c.toml");

  EXPECT_THAT([&] { check_fields(v, {&bad, 1}); },
              testing::Throws<Error>(testing::Property(
                  &Error::message,
                  "\"[1, 0]\" is no range; write [low, high] or (low, high)\n  while reading the "
                  "allowed values of the field lr")));
}

}  // namespace
}  // namespace strata::config
