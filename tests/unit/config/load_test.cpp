// Files, bases and the order of loading.
#include "config/load.hpp"

#include <gmock/gmock.h>

#include "config/dump.hpp"
#include "config_files.hpp"

namespace strata::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using ConfigLoader = ConfigFiles;

TEST_F(ConfigLoader, PutsAFileOverItsBase) {
  write("base.toml", "seed = 1\n[model]\ntype = 'A'\nwidth = 8\n");
  write("c.toml", "_base_ = 'base.toml'\nseed = 2\n[model]\nwidth = 16\n");

  const Value v = load_file("c.toml");

  EXPECT_EQ(dump(v), "seed = 2\n\n[model]\ntype = \"A\"\nwidth = 16\n");
  EXPECT_EQ(without_folder(v.at("model.type").where()), "base.toml:3:1");
  EXPECT_EQ(without_folder(v.at("model.width").where()), "c.toml:4:1");
}

TEST_F(ConfigLoader, FollowsAChainOfBasesRelativeToEachFile) {
  write("5/e.toml", "deep = 5\nlr = 5\n");
  write("4/d.toml", "_base_ = '../5/e.toml'\nd = 4\n");
  write("3/c.toml", "_base_ = ['../4/d.toml']\nc = 3\n");
  write("2/b.toml", "_base_ = '../3/c.toml'\nlr = 2\n");
  write("1/a.toml", "_base_ = '../2/b.toml'\na = 1\n");

  const Value v = load_file("1/a.toml");

  EXPECT_EQ(v.get<int>("deep"), 5);
  EXPECT_EQ(v.get<int>("lr"), 2);
  EXPECT_EQ(without_folder(v.at("deep").where()), "5/e.toml:1:1");
  EXPECT_THAT(v.keys(), ElementsAre("deep", "lr", "d", "c", "a"));
}

TEST_F(ConfigLoader, JoinsSeveralBases) {
  write("m.toml", "[model]\ntype = 'A'\n");
  write("d.toml", "[data]\nbatch_size = 4\n");
  write("c.toml", "_base_ = ['m.toml', 'd.toml']\n[data]\nbatch_size = 8\n");

  EXPECT_EQ(dump(load_file("c.toml")), "[model]\ntype = \"A\"\n\n[data]\nbatch_size = 8\n");
}

TEST_F(ConfigLoader, RefusesTheSameTopLevelKeyInTwoBases) {
  write("x.toml", "[model]\ntype = 'A'\n");
  write("y.toml", "\n[model]\nwidth = 1\n");
  write("c.toml", "_base_ = ['x.toml', 'y.toml']\n");

  EXPECT_EQ(refusal([&] { (void)load_file("c.toml"); }),
            "y.toml:2:2: two bases set model: x.toml:1:2 and y.toml:2:2; keep it in one, or let "
            "one be the "
            "base of the other");
}

TEST_F(ConfigLoader, ShowsTheChainOfABaseCircle) {
  write("a.toml", "_base_ = 'b.toml'\n");
  write("b.toml", "_base_ = [\n  'c.toml']\n");
  write("c.toml", "_base_ = './a.toml'\n");

  EXPECT_EQ(refusal([&] { (void)load_file("a.toml"); }),
            "c.toml:1:1: _base_ goes in a circle: a.toml -> b.toml -> c.toml -> a.toml; take one "
            "_base_ out");
}

TEST_F(ConfigLoader, NamesThePlaceThatAskedForAMissingBase) {
  write("sub/c.toml", "_base_ = [\n  '../none.toml']\n");

  EXPECT_EQ(
      refusal([&] { (void)load_file("sub/c.toml"); }),
      "sub/c.toml:2:3: _base_ names \"../none.toml\", but there is no file none.toml; the path is "
      "relative to the file that names it");
}

TEST_F(ConfigLoader, RefusesABaseThatIsNoText) {
  EXPECT_EQ(refusal([&] { (void)load_text("_base_ = 3\n"); }),
            "c.toml:1:1: _base_ must be a file name or a list of file names, found an integer");
  EXPECT_THAT(refusal([&] { (void)load_text("_base_ = [1]\n"); }),
              StartsWith("c.toml:1:11: _base_ must be"));
}

TEST_F(ConfigLoader, NamesTheFileOfASyntaxErrorInABase) {
  write("base.toml", "a = 1\nb = \n");
  write("c.toml", "_base_ = 'base.toml'\n");

  EXPECT_THAT(refusal([&] { (void)load_file("c.toml"); }), StartsWith("base.toml:2:"));
}

TEST_F(ConfigLoader, NamesAMissingFile) {
  EXPECT_EQ(refusal([&] { (void)load_file("none.toml"); }),
            "none.toml: this configuration file cannot be opened; check its path");
}

TEST_F(ConfigLoader, TakesFileAndEnvironmentNamesInBase) {
  setenv("STRATA_TEST_BASE", "base", 1);
  write("base.toml", "a = 1\n");
  write("c.toml", "_base_ = '{{fileDirname}}/{{$STRATA_TEST_BASE}}.toml'\n");

  EXPECT_EQ(load_file("c.toml").get<int>("a"), 1);
}

TEST_F(ConfigLoader, LeavesEverythingUnread) {
  write("base.toml", "a = 1\n");
  const Value v = (write("c.toml", "_base_ = 'base.toml'\nb = '{{ a }}'\nc = '{{_base_.a}}'\n"),
                   load_file("c.toml", {"d=1"}));

  EXPECT_EQ(unread(v).size(), 4U);
}

TEST_F(ConfigLoader, LoadsAnEmptyFileAsAnEmptyTable) {
  EXPECT_EQ(load_text("").size(), 0U);
}

TEST_F(ConfigLoader, RefusesATreeThatReferencesMakeTooDeep) {
  std::string path = "a";
  for (int i = 0; i < 200; ++i) {
    path += ".a";
  }
  const std::string content = path + " = 1\nb" + path.substr(1) + " = '{{ a }}'\n";

  EXPECT_THAT(refusal([&] { (void)load_text(content); }),
              HasSubstr("nested more than 256 levels deep"));
}

}  // namespace
}  // namespace strata::config
