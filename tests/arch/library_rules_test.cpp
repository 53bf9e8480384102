// What the built files link and show: the host maps no CUDA, plugins of tier c map no LibTorch and
// show one symbol.
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.hpp"

namespace strata::arch {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

const fs::path kHost = fs::path(STRATA_BINARY_DIR) / "bin" / "strata";

std::string output_of(const std::vector<std::string>& command) {
  std::vector<std::string> args = {"/usr/bin/env"};  // looks in PATH
  args.insert(args.end(), command.begin(), command.end());
  const test::Outcome outcome = test::run({.args = args});
  EXPECT_EQ(outcome.code, 0) << command.front() << ": " << outcome.err;
  return outcome.out;
}

/// Its direct needs whose names contain any of LibTorch's.
std::set<std::string> torch_libraries(const fs::path& file) {
  static const std::regex needed(R"(\(NEEDED\).*\[([^\]]*(torch|c10|cuda|nccl)[^\]]*)\])");
  std::set<std::string> out;
  std::istringstream in(output_of({"readelf", "-dW", file.string()}));
  for (std::string line; std::getline(in, line);) {
    std::smatch found;
    if (std::regex_search(line, found, needed)) {
      out.insert(found[1]);
    }
  }
  return out;
}

std::vector<std::string> exported_symbols(const fs::path& file) {
  std::vector<std::string> out;
  std::istringstream in(
      output_of({"nm", "-D", "--defined-only", "--format=just-symbols", file.string()}));
  for (std::string line; std::getline(in, line);) {
    out.push_back(line);
  }
  return out;
}

/// By the notes in the files of the plugin folder.
std::vector<fs::path> plugins_of_tier(const std::string& tier) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(STRATA_PLUGIN_DIR)) {
    const std::string note = output_of({"readelf", "-p", ".note.strata", entry.path().string()});
    if (note.find("tier = \"" + tier + "\"") != std::string::npos) {
      out.push_back(entry.path());
    }
  }
  return out;
}

std::set<std::string> names(const std::vector<fs::path>& files) {
  std::set<std::string> out;
  for (const fs::path& file : files) {
    out.insert(file.stem().string());
  }
  return out;
}

TEST(LibraryRules, HostLinksOnlyTheCpuPartsOfLibTorch) {
  EXPECT_THAT(torch_libraries(kHost), UnorderedElementsAre("libc10.so", "libtorch_cpu.so"));
}

TEST(LibraryRules, BuiltInStrategiesAreOfTierC) {
  EXPECT_THAT(names(plugins_of_tier("c")), IsSupersetOf({"strategy_single", "strategy_ddp"}));
  for (const std::string& name : names(plugins_of_tier("torch-native"))) {
    EXPECT_FALSE(name.starts_with("strategy_")) << name << " is tied to one LibTorch";
  }
}

TEST(LibraryRules, PluginsOfTierCDoNotLinkLibTorch) {
  for (const fs::path& plugin : plugins_of_tier("c")) {
    EXPECT_THAT(torch_libraries(plugin), IsEmpty()) << plugin;
  }
}

TEST(LibraryRules, PluginsOfTierCShowTheirEntryAndNothingElse) {
  for (const fs::path& plugin : plugins_of_tier("c")) {
    EXPECT_THAT(exported_symbols(plugin), ElementsAre("strata_plugin_entry_v0")) << plugin;
  }
}

TEST(LibraryRules, ModelsAreWhatLinksLibTorch) {
  EXPECT_THAT(torch_libraries(fs::path(STRATA_PLUGIN_DIR) / "model_mlp.so"),
              UnorderedElementsAre("libc10.so", "libtorch_cpu.so"));
}

}  // namespace
}  // namespace strata::arch
