// References to values, files and the environment.
#include "config/references.hpp"

#include <cstdlib>

#include <gmock/gmock.h>

#include "config/dump.hpp"
#include "config_files.hpp"

namespace strata::config {
namespace {

using testing::HasSubstr;

/// Variables of the tests are set here and unset after each.
class References : public ConfigFiles {
 public:
  ~References() override { unsetenv("STRATA_TEST"); }

 protected:
  static void set_variable(const char* value) { setenv("STRATA_TEST", value, 1); }
};

TEST_F(References, TakeTheTypeOfWhatTheyReferTo) {
  const Value v =
      load_text("a = '{{ t.n }}'\nb = '{{t.l}}'\nc = '{{ t }}'\n[t]\nn = 3\nx = 0.5\nl = [1, 2]\n");

  EXPECT_EQ(
      dump(v),
      "a = 3\nb = [1, 2]\n\n[c]\nn = 3\nx = 0.5\nl = [1, 2]\n\n[t]\nn = 3\nx = 0.5\nl = [1, 2]\n");
}

TEST_F(References, StandAsTextInsideALongerText) {
  const Value v =
      load_text("n = 3\nx = 1e-3\nb = true\ns = 'w'\nt = '{{ s }}-{{n}}-{{ x }}-{{ b }}!'\n");

  EXPECT_EQ(v.get<std::string>("t"), "w-3-0.001-true!");
}

TEST_F(References, SeeTheFinalValueNotTheBases) {
  write("base.toml", "lr = 1.0\nmax_lr = '{{ lr }}'\n");
  write("c.toml", "_base_ = 'base.toml'\nlr = 2.0\n");

  EXPECT_EQ(load_file("c.toml").get<double>("max_lr"), 2.0);
  EXPECT_EQ(load_file("c.toml", {"lr=3.0"}).get<double>("max_lr"), 3.0);
}

TEST_F(References, ToBaseSeeTheBasesValue) {
  write("base.toml", "[o]\nlr = 0.25\n[o.deep]\nl = [7]\n");
  write("c.toml",
        "_base_ = 'base.toml'\na = '{{_base_.o.lr}}'\nb = '{{ _base_.o.deep.l.0 }}'\n[o]\nlr = "
        "2.0\n");

  const Value v = load_file("c.toml");

  EXPECT_EQ(v.get<double>("a"), 0.25);
  EXPECT_EQ(v.get<int>("b"), 7);
}

TEST_F(References, FollowEachOther) {
  const Value v = load_text(
      "a = '{{ b }}'\nb = '{{ c.d }}'\nc = '{{ e }}'\n[e]\nd = '{{ f }}'\n[[f]]\nx = 1\n");

  EXPECT_EQ(v.get<int>("a.0.x"), 1);
}

TEST_F(References, KnowWhereTheyStandAndWhatTheyReferTo) {
  const Value v = load_text("a = 1\nb = '{{ a }}'\n");

  EXPECT_EQ(v.at("b").origin().line, 2);
  EXPECT_EQ(v.at("b").origin().note, "{{ a }}");
}

TEST_F(References, ShowTheChainOfACircle) {
  EXPECT_EQ(
      refusal([&] { (void)load_text("a = '{{ t.b }}'\nc = 'x{{ a }}'\n[t]\nb = '{{ c }}'\n"); }),
      "c.toml:2:1: references go in a circle: a -> t.b -> c -> a; give one of them a value");
  EXPECT_EQ(refusal([&] { (void)load_text("a = '{{ a }}'\n"); }),
            "c.toml:1:1: references go in a circle: a -> a; give one of them a value");
  EXPECT_EQ(refusal([&] { (void)load_text("[t]\nb = '{{ t }}'\n"); }),
            "c.toml:2:1: references go in a circle: t -> t.b -> t; give one of them a value");
}

TEST_F(References, OfferTheNearestName) {
  EXPECT_EQ(refusal([&] { (void)load_text("a = '{{ optim.lrr }}'\n[optim]\nlr = 1\n"); }),
            "c.toml:1:1: unknown reference {{ optim.lrr }}: there is no \"lrr\" in optim; did you "
            "mean \"lr\"?");
  EXPECT_THAT(refusal([&] { (void)load_text("a = '{{ fileDirnam }}'\nb = 1\n"); }),
              HasSubstr("unknown reference {{ fileDirnam }}"));
}

TEST_F(References, ToBaseOfferTheNearestName) {
  write("base.toml", "[optim]\nlr = 1\n");
  write("c.toml", "_base_ = 'base.toml'\na = '{{_base_.optim.lrs}}'\n");

  EXPECT_EQ(refusal([&] { (void)load_file("c.toml"); }),
            "c.toml:2:1: unknown reference {{ _base_.optim.lrs }}: there is no \"lrs\" in optim; "
            "did you mean "
            "\"lr\"?");
}

TEST_F(References, ToBaseNeedABase) {
  EXPECT_THAT(refusal([&] { (void)load_text("a = '{{_base_.x}}'\n"); }),
              HasSubstr("there is no _base_ here; write {{ key.path }}"));
}

TEST_F(References, ToTablesCannotStandInALongerText) {
  EXPECT_EQ(refusal([&] { (void)load_text("a = 'x{{ t }}'\n[t]\n"); }),
            "c.toml:1:1: {{ t }} is a table, which cannot stand inside a longer text; let the "
            "reference be the "
            "whole text");
}

TEST_F(References, KnowTheNamesOfTheirFile) {
  write("sub/base.toml", "base_name = '{{ fileBasename }}'\nbase_dir = '{{fileDirname}}'\n");
  write("c.x.toml",
        "_base_ = 'sub/base.toml'\nname = '{{ fileBasenameNoExtension }}'\next = '{{ fileExtname "
        "}}'\n"
        "dir = '{{ fileDirname }}/data'\n");

  const Value v = load_file("c.x.toml");

  EXPECT_EQ(v.get<std::string>("base_name"), "base.toml");
  EXPECT_EQ(v.get<std::string>("base_dir"), at("sub"));
  EXPECT_EQ(v.get<std::string>("name"), "c.x");
  EXPECT_EQ(v.get<std::string>("ext"), ".toml");
  EXPECT_EQ(v.get<std::string>("dir"), at("data"));
}

TEST_F(References, ReadTheEnvironmentWithTypes) {
  set_variable("8");
  const Value v = load_text("a = '{{$STRATA_TEST:1}}'\nb = 'n{{ $STRATA_TEST }}'\n");

  EXPECT_EQ(dump(v), "a = 8\nb = \"n8\"\n");
  EXPECT_EQ(v.at("a").origin().note, "env STRATA_TEST");
}

TEST_F(References, FallBackToTheDefaultOfAVariable) {
  const Value v = load_text(
      "a = '{{$STRATA_TEST:[1, 0.5]}}'\nb = '{{$STRATA_TEST:a:b}}/x'\nc = '{{$STRATA_TEST:}}'\n");

  EXPECT_EQ(dump(v), "a = [1, 0.5]\nb = \"a:b/x\"\nc = \"\"\n");
  EXPECT_EQ(v.at("a").origin().note, "env STRATA_TEST unset, its default");
}

TEST_F(References, NameTheVariableThatIsNotSet) {
  EXPECT_EQ(
      refusal([&] { (void)load_text("\na = '{{$STRATA_TEST}}'\n"); }),
      "c.toml:2:1: the environment variable STRATA_TEST is not set; set it, or write a default: "
      "{{$STRATA_TEST:value}}");
}

TEST_F(References, RemoveAKeyWhoseVariableIsNone) {
  set_variable("None");

  EXPECT_EQ(dump(load_text("a = '{{$STRATA_TEST}}'\nb = 1\n")), "b = 1\n");
  EXPECT_THAT(refusal([&] { (void)load_text("a = ['{{$STRATA_TEST}}']\n"); }),
              HasSubstr("None cannot stand"));
}

TEST_F(References, AreNotReadInTheEnvironmentsValue) {
  set_variable("{{ b }}");

  EXPECT_EQ(load_text("a = '{{$STRATA_TEST}}'\nb = 1\n").get<std::string>("a"), "{{ b }}");
  EXPECT_EQ(load_text("a = 'x{{$STRATA_TEST}}'\nb = 1\n").get<std::string>("a"), "x{{ b }}");
}

TEST_F(References, CanBeEscaped) {
  const Value v = load_text("a = '\\{{ b }}'\nb = '{{ a }} {{ c }}'\nc = 1\nd = '{{ b }}'\n");

  EXPECT_EQ(v.get<std::string>("a"), "{{ b }}");
  EXPECT_EQ(v.get<std::string>("b"), "{{ b }} 1");
  EXPECT_EQ(v.get<std::string>("d"), "{{ b }} 1");
}

TEST_F(References, ThatCopyATableKeepItsPlainBraces) {
  const Value v = load_text("c = '{{ t }}'\nd = '{{ c.x }}'\n[t]\nx = '\\{{ no }}'\n");

  EXPECT_EQ(v.get<std::string>("c.x"), "{{ no }}");
  EXPECT_EQ(v.get<std::string>("d"), "{{ no }}");
}

TEST_F(References, MustBeClosedAndNotEmpty) {
  EXPECT_THAT(refusal([&] { (void)load_text("a = 'x{{ b'\n"); }), HasSubstr("has a {{ without }}"));
  EXPECT_THAT(refusal([&] { (void)load_text("a = '{{  }}'\n"); }),
              HasSubstr("has an empty reference"));
  EXPECT_THAT(refusal([&] { (void)load_text("a = '{{ b..c }}'\n"); }), HasSubstr("is no key path"));
}

TEST_F(References, WorkInOverrides) {
  set_variable("5");

  const Value v = load_text("a = 1\n", {"b={{ a }}", "c={{$STRATA_TEST:1}}", "d=[{{ a }},2]"});

  EXPECT_EQ(dump(v), "a = 1\nb = 1\nc = 5\nd = [1, 2]\n");
  EXPECT_EQ(v.at("c").where(), "--cfg-options, env STRATA_TEST");
}

}  // namespace
}  // namespace strata::config
