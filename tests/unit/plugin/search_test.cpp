// Tests of finding plugins: places, order, links, files that are none, refusals.
#include "plugin/search.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "strata/abi/core.h"

#include "files.hpp"

namespace strata::plugin {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  ~Environment() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST(PluginPaths, AreTheConfigsTheEnvironmentsTheUsersAndTheProgramsOwn) {
  const Environment list("STRATA_PLUGIN_PATH", "/b::/c");
  const Environment data("XDG_DATA_HOME", "/home/me/data");

  EXPECT_THAT(search_paths({"/a"}),
              ElementsAre("/a",
                          "/b",
                          "/c",
                          "/home/me/data/strata/plugins/abi-0",
                          fs::path(STRATA_BINARY_DIR) / "lib" / "strata" / "plugins" / "abi-0"));
}

TEST(PluginPaths, FallBackToTheHomeFolder) {
  ::unsetenv("XDG_DATA_HOME");
  const Environment home("HOME", "/home/me");

  EXPECT_THAT(search_paths({}), testing::Contains("/home/me/.local/share/strata/plugins/abi-0"));
}

TEST(PluginScan, FindsThePluginsOfAFolderByName) {
  const Folder folder;
  const fs::path second = folder.add("plugin_raw_again", "b.so");
  const fs::path first = folder.add("plugin_raw", "a.so");
  folder.add("plugin_raw", "c.txt");

  const Found found = scan({folder.path()});

  ASSERT_THAT(found.plugins, SizeIs(2));
  EXPECT_EQ(found.plugins[0].file, first);
  EXPECT_EQ(found.plugins[0].manifest.id, "plugin_raw");
  EXPECT_EQ(found.plugins[1].file, second);
  EXPECT_THAT(found.refused, IsEmpty());
}

TEST(PluginScan, TakesAPathToOneFile) {
  const Folder folder;
  folder.add("plugin_raw_again");

  EXPECT_THAT(scan({folder.add("plugin_raw")}).plugins, SizeIs(1));
}

TEST(PluginScan, CountsLinksToAFileOnce) {
  const Folder folder;
  const Folder other;
  const fs::path file = folder.add("plugin_raw");
  fs::create_symlink(file, folder.path() / "symbolic.so");
  fs::create_hard_link(file, folder.path() / "hard.so");
  fs::create_directory_symlink(folder.path(), other.path() / "folder");

  const Found found = scan({folder.path(), other.path() / "folder"});

  EXPECT_THAT(found.plugins, SizeIs(1));
  EXPECT_THAT(found.refused, IsEmpty());
}

TEST(PluginScan, SkipsWhatIsNoPlugin) {
  const Folder folder;
  folder.add("plugin_no_note");
  write_bytes(folder.path() / "text.so", "hello");
  write_bytes(folder.path() / "empty.so", "");
  fs::create_directory(folder.path() / "folder.so");

  const Found found = scan({folder.path()});

  EXPECT_THAT(found.plugins, IsEmpty());
  EXPECT_THAT(found.refused, IsEmpty());
  EXPECT_THAT(found.skipped, SizeIs(4));
}

TEST(PluginScan, RemembersARefusedPluginWithItsReasonAndManifest) {
  const Folder folder;
  const fs::path file = folder.add_edited(
      "plugin_raw", "minor = " + std::to_string(STRATA_ABI_MINOR) + "\n", "minor = 9\n");

  const Found found = scan({folder.path()});

  EXPECT_THAT(found.plugins, IsEmpty());
  ASSERT_THAT(found.refused, SizeIs(1));
  EXPECT_EQ(found.refused[0].file, file);
  EXPECT_THAT(found.refused[0].reason, HasSubstr("built for 0.9"));
  ASSERT_TRUE(found.refused[0].manifest.has_value());
  EXPECT_EQ(found.refused[0].manifest->types[0].name, "RawHook");
}

TEST(PluginScan, RefusesATorchNativePluginOfAnotherLibTorch) {
  const Folder folder;
  folder.add_edited("plugin_torch_native",
                    "torch " HOST_TORCH_VERSION "|",
                    "torch 0" + std::string(HOST_TORCH_VERSION).substr(1) + "|");

  const Found found = scan({folder.path()});

  ASSERT_THAT(found.refused, SizeIs(1));
  EXPECT_THAT(found.refused[0].reason, HasSubstr("torch.build_tag"));
}

TEST(PluginScan, AcceptsATorchNativePluginOfThisLibTorch) {
  const Folder folder;
  folder.add("plugin_torch_native");

  EXPECT_THAT(scan({folder.path()}).plugins, SizeIs(1));
}

TEST(PluginScan, RefusesANoteThatCannotBeRead) {
  const Folder folder;
  folder.add_edited("plugin_raw", "tier = \"c\"", "tier = =c=");

  const Found found = scan({folder.path()});

  ASSERT_THAT(found.refused, SizeIs(1));
  EXPECT_THAT(found.refused[0].reason, HasSubstr("its note is damaged"));
  EXPECT_FALSE(found.refused[0].manifest.has_value());
}

TEST(PluginScan, RefusesAnUnknownKind) {
  const Folder folder;
  folder.add_edited("plugin_raw", "kind = \"hook\"", "kind = \"cook\"");

  ASSERT_THAT(scan({folder.path()}).refused, SizeIs(1));
}

TEST(PluginScan, RefusesAFileThatEveryoneMayWrite) {
  const Folder folder;
  ::chmod(folder.add("plugin_raw").c_str(), 0777);

  ASSERT_THAT(scan({folder.path()}).refused, SizeIs(1));
}

TEST(PluginScan, RefusesABrokenLink) {
  const Folder folder;
  fs::create_symlink("/nowhere/x.so", folder.path() / "x.so");

  const Found found = scan({folder.path()});

  ASSERT_THAT(found.refused, SizeIs(1));
  EXPECT_EQ(found.refused[0].file, folder.path() / "x.so");
}

TEST(PluginScan, NeverSearchesTheCurrentDirectory) {
  const Folder folder;
  folder.add("plugin_raw");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());

  const Found found = scan({".", "plugin_raw.so", ""});
  fs::current_path(before);

  EXPECT_THAT(found.plugins, IsEmpty());
  EXPECT_THAT(found.refused, SizeIs(3));
  EXPECT_THAT(found.refused[0].reason, HasSubstr("absolute path"));
}

TEST(PluginScan, MentionsAPlaceThatDoesNotExist) {
  const Found found = scan({"/nowhere/plugins"});

  ASSERT_THAT(found.skipped, SizeIs(1));
  EXPECT_EQ(found.skipped[0].reason, "does not exist");
}

}  // namespace
}  // namespace strata::plugin
