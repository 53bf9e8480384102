// The tree keeps the dependency rule, and the rule notices when it does not.
#include "include_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::arch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::filesystem::path kRoot = STRATA_SOURCE_DIR;

/// Runs a rule over all files of a folder, which must have some.
template <class Rule>
Problems problems_of(const std::string& folder, Rule rule) {
  const std::vector<Source> sources = read_sources(kRoot, folder);
  EXPECT_FALSE(sources.empty()) << folder << " has no sources";
  Problems all;
  for (const Source& source : sources) {
    const Problems some = rule(source);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::string listed(const Problems& problems) {
  std::string out;
  for (const std::string& problem : problems) {
    out += "\n" + problem;
  }
  return out;
}

void expect_kept(const Problems& problems) {
  EXPECT_TRUE(problems.empty()) << listed(problems);
}

Problems plugin_rule(const Source& source) {
  return plugin_includes(source, kRoot);
}

TEST(IncludeRules, HostFoldersSeeOnlyThoseBelowThem) {
  expect_kept(problems_of("framework", host_includes));
}

TEST(IncludeRules, BuiltInPluginsSeeOnlyTheSdk) {
  expect_kept(problems_of("plugins", plugin_rule));
}

TEST(IncludeRules, ExamplesAndTemplatesSeeOnlyTheSdk) {
  expect_kept(problems_of("examples", plugin_rule));
  expect_kept(problems_of("sdk/templates", plugin_rule));
}

TEST(IncludeRules, SdkHeadersSeeOnlyTheirOwnLayers) {
  expect_kept(problems_of("sdk/include", sdk_includes));
}

TEST(IncludeRules, NoFileIsLongerThanAReaderCanHold) {
  for (const char* folder : {"framework", "plugins", "sdk", "examples", "benchmarks", "tests"}) {
    expect_kept(problems_of(folder, length));
  }
}

TEST(IncludeRules, NoticesAHostFolderThatSeesAHigherOne) {
  const Source source = parse_source("framework/unit/x.cpp",
                                     "#include \"unit/x.hpp\"\n\n#include \"train/runner.hpp\"\n");
  EXPECT_THAT(host_includes(source),
              ElementsAre(HasSubstr("framework/unit/x.cpp:3: \"train/runner.hpp\" points back")));
}

TEST(IncludeRules, NoticesHostFoldersOfOneLevelThatSeeEachOther) {
  const Source source = parse_source("framework/unit/x.cpp", "#  include <optim/views.hpp>\n");
  EXPECT_THAT(host_includes(source), ElementsAre(HasSubstr("unit does not see optim")));
}

TEST(IncludeRules, NoticesAHostFolderWithoutALevel) {
  EXPECT_THAT(host_includes(parse_source("framework/misc/x.cpp", "")),
              ElementsAre(HasSubstr("does not know framework/misc")));
}

TEST(IncludeRules, NoticesAPluginThatSeesTheHostOrAnotherPlugin) {
  const Source source = parse_source("plugins/hook/basic/x.cpp",
                                     "#include \"train/runner.hpp\"\n"
                                     "#include <unit/model.hpp>\n"
                                     "#include \"../../optimizer/adam/adam_loop.hpp\"\n"
                                     "#include \"hooks.hpp\"\n"
                                     "#include \"strata/cpp/hook.hpp\"\n"
                                     "#include <sys/stat.h>\n");
  EXPECT_THAT(plugin_includes(source, kRoot),
              ElementsAre(HasSubstr("x.cpp:1:"), HasSubstr("x.cpp:2:"), HasSubstr("x.cpp:3:")));
}

TEST(IncludeRules, NoticesAPluginOfTierCThatSeesLibTorch) {
  Source source =
      parse_source("plugins/strategy/x/x.cpp",
                   "#include <ATen/core/Tensor.h>\n#include \"strata/torch/unit.hpp\"\n");
  EXPECT_THAT(plugin_includes(source, kRoot), IsEmpty());
  source.may_use_torch = false;
  EXPECT_THAT(plugin_includes(source, kRoot), ElementsAre(HasSubstr(":1:"), HasSubstr(":2:")));
}

TEST(IncludeRules, KnowsTheTierOfAPluginFromItsCMakeFile) {
  for (const Source& source : read_sources(kRoot, "plugins/strategy/ddp")) {
    EXPECT_FALSE(source.may_use_torch) << source.path;
  }
  for (const Source& source : read_sources(kRoot, "plugins/model/mlp")) {
    EXPECT_TRUE(source.may_use_torch) << source.path;
  }
}

TEST(IncludeRules, NoticesAnSdkLayerThatSeesAHigherOneOrMoreThanTheSystemsIntegers) {
  const Source abi = parse_source("sdk/include/strata/abi/x.h",
                                  "#include <stdint.h>\n#include <string.h>\n"
                                  "#include \"strata/cpp/host.hpp\"\n");
  EXPECT_THAT(sdk_includes(abi), ElementsAre(HasSubstr(":2:"), HasSubstr(":3:")));
  const Source cpp = parse_source("sdk/include/strata/cpp/x.hpp",
                                  "#include \"host.hpp\"\n#include <ATen/core/Tensor.h>\n");
  EXPECT_THAT(sdk_includes(cpp), ElementsAre(HasSubstr(":1:"), HasSubstr(":2:")));
}

TEST(IncludeRules, NoticesAFileThatIsTooLong) {
  const std::string content(401, '\n');
  EXPECT_THAT(length(parse_source("framework/unit/x.cpp", content)),
              ElementsAre(HasSubstr("401 lines")));
  EXPECT_THAT(length(parse_source("tests/unit/x.cpp", content)), IsEmpty());
}

}  // namespace
}  // namespace strata::arch
