// Inheritance rules.
#include "config/merge.hpp"

#include <gmock/gmock.h>

#include "config/dump.hpp"
#include "config_files.hpp"

namespace strata::config {
namespace {

using testing::HasSubstr;

/// Loads a base and a child over it.
class ConfigMerge : public ConfigFiles {
 protected:
  [[nodiscard]] Value merged(std::string_view base, std::string_view child) const {
    write("base.toml", base);
    write("child.toml", "_base_ = 'base.toml'\n" + std::string(child));
    return load_file("child.toml");
  }

  [[nodiscard]] std::string merge_refusal(std::string_view base, std::string_view child) const {
    return refusal([&] { (void)merged(base, child); });
  }
};

TEST_F(ConfigMerge, MergesTablesKeyByKey) {
  const Value v = merged("[a.b]\nx = 1\ny = 1\n[a.c]\nz = 1\n", "[a.b]\ny = 2\nnew = 3\n");

  EXPECT_EQ(dump(v), "[a.b]\nx = 1\ny = 2\nnew = 3\n\n[a.c]\nz = 1\n");
}

TEST_F(ConfigMerge, ReplacesListsAndScalarsOfAnyType) {
  const Value v = merged("l = [1, 2, 3]\ns = 1\nt = 'x'\n", "l = [4]\ns = 'text'\nt = [1]\n");

  EXPECT_EQ(dump(v), "l = [4]\ns = \"text\"\nt = [1]\n");
}

TEST_F(ConfigMerge, ReplacesListsOfTables) {
  const Value v = merged("[[h]]\na = 1\n[[h]]\na = 2\n", "[[h]]\nb = 3\n");

  EXPECT_EQ(dump(v), "[[h]]\nb = 3\n");
}

TEST_F(ConfigMerge, DropsTheTableOfTheBaseOnDelete) {
  const Value v =
      merged("[o]\ntype = 'AdamW'\nbetas = [0.9, 0.99]\n", "[o]\n_delete_ = true\ntype = 'SGD'\n");

  EXPECT_EQ(dump(v), "[o]\ntype = \"SGD\"\n");
}

TEST_F(ConfigMerge, RemovesTheKeyWhenDeleteStandsAlone) {
  EXPECT_EQ(dump(merged("a = 1\n[o]\nx = 1\n", "o = {_delete_ = true}\n")), "a = 1\n");
}

TEST_F(ConfigMerge, DeletesDeepInATable) {
  const Value v =
      merged("[s.z]\nstage = 3\n[s.z.off]\npin = true\n", "[s.z.off]\n_delete_ = true\n");

  EXPECT_EQ(dump(v), "[s.z]\nstage = 3\n");
}

TEST_F(ConfigMerge, DeletesListedKeysWhateverTheyHold) {
  const Value v =
      merged("compile = {mode = 'x'}\nkeep = 1\n", "_delete_ = ['compile']\ncompile = true\n");

  EXPECT_EQ(dump(v), "keep = 1\ncompile = true\n");
}

TEST_F(ConfigMerge, IgnoresDeleteThatIsFalse) {
  EXPECT_EQ(dump(merged("[o]\nx = 1\n", "[o]\n_delete_ = false\ny = 2\n")), "[o]\nx = 1\ny = 2\n");
}

TEST_F(ConfigMerge, LetsATableReplaceAScalarOnDelete) {
  EXPECT_EQ(dump(merged("o = 1\n", "[o]\n_delete_ = true\ny = 2\n")), "[o]\ny = 2\n");
}

TEST_F(ConfigMerge, TakesDeleteOutOfTablesThatNoBaseHas) {
  EXPECT_EQ(dump(merged("a = 1\n", "[n.m]\n_delete_ = true\ny = 2\n")), "a = 1\n\n[n.m]\ny = 2\n");
}

TEST_F(ConfigMerge, RefusesATableOverAScalarAndSaysHow) {
  EXPECT_EQ(merge_refusal("[m]\no = 1\n", "[m.o]\ny = 2\n"),
            "child.toml:2:4: m.o is a table but replaces an integer (base.toml:2:1); add `_delete_ "
            "= true` to "
            "[m.o] to replace it");
}

TEST_F(ConfigMerge, RefusesAScalarOrListOverATableAndSaysHow) {
  EXPECT_EQ(merge_refusal("[m.o]\nx = 1\n", "[m]\no = 2\n"),
            "child.toml:3:1: m.o is an integer but replaces a table (base.toml:1:4); add `_delete_ "
            "= [\"o\"]` "
            "in [m] to replace it");
  EXPECT_THAT(merge_refusal("[o]\nx = 1\n", "[[o]]\nx = 2\n"),
              HasSubstr("add `_delete_ = [\"o\"]` at the top of the file"));
}

TEST_F(ConfigMerge, RefusesToDeleteWhatNoBaseHas) {
  EXPECT_EQ(merge_refusal("[strategy]\nx = 1\n", "[strategi]\n_delete_ = true\n"),
            "child.toml:2:2: [strategi] only says _delete_, but no base has strategi; did you mean "
            "\"strategy\"?");
  EXPECT_EQ(merge_refusal("strategy = 1\n", "_delete_ = ['strategi']\n"),
            "child.toml:2:13: _delete_ at the top of the file names \"strategi\", which no base "
            "has; did you "
            "mean \"strategy\"?");
}

TEST_F(ConfigMerge, RefusesADeleteOfAnotherType) {
  EXPECT_EQ(merge_refusal("[o]\nx = 1\n", "[o]\n_delete_ = 1\n"),
            "child.toml:3:1: _delete_ in [o] must be true, false or a list of key names, found an "
            "integer");
}

}  // namespace
}  // namespace strata::config
