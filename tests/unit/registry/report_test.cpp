// Tests of the texts for the command line.
#include "registry/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/core.h"

#include "parts.hpp"

namespace strata::registry {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

using ReportTest = RegistryTest;

TEST_F(ReportTest, ListsTypesWithTheirPluginAndRefusalsWithTheirReason) {
  add("registry_hooks");
  folder_.add_edited(
      "registry_hooks_again", "minor = " + std::to_string(STRATA_ABI_MINOR) + "\n", "minor = 9\n");
  plugin::write_bytes(folder_.path() / "text.so", "hello");

  const std::string out = list(plugin::scan({folder_.path()}));

  EXPECT_THAT(out, ContainsRegex("hook +MeanHook +acme-hooks +1.2.0 +/.*/registry_hooks.so\n"));
  EXPECT_THAT(out, ContainsRegex("metric +FloodMetric +acme-hooks"));
  EXPECT_THAT(out,
              HasSubstr("refused: " + path("registry_hooks_again") + "\n  abi: this host has 0." +
                        std::to_string(STRATA_ABI_MINOR)));
  EXPECT_THAT(out, HasSubstr("not used: " + path("text") + " (not an ELF file)"));
}

TEST_F(ReportTest, InspectsAPluginThatWouldLoad) {
  add("registry_hooks");

  EXPECT_THAT(inspect(path("registry_hooks")),
              AllOf(ContainsRegex("plugin +acme-hooks\n"),
                    ContainsRegex("vendor +acme\n"),
                    ContainsRegex("tier +c\n"),
                    ContainsRegex("hook +MeanHook\n"),
                    HasSubstr("this host would load it")));
}

TEST_F(ReportTest, InspectsAPluginThatWouldBeRefused) {
  folder_.add_edited(
      "registry_hooks", "minor = " + std::to_string(STRATA_ABI_MINOR) + "\n", "minor = 9\n");

  EXPECT_THAT(
      inspect(path("registry_hooks")),
      AllOf(ContainsRegex("abi +0.9\n"),
            HasSubstr("refused: abi: this host has 0." + std::to_string(STRATA_ABI_MINOR))));
}

TEST_F(ReportTest, InspectsWhatIsNoPlugin) {
  plugin::write_bytes(folder_.path() / "text.so", "hello");

  EXPECT_THAT(inspect(path("text")), HasSubstr("not a plugin: not an ELF file"));
  EXPECT_THAT(message_of([] { (void)inspect("/nowhere/x.so"); }), HasSubstr("No such file"));
}

TEST_F(ReportTest, DescribesTheKeysOfAType) {
  add("registry_hooks");

  const std::string out = describe(registry(), "MeanHook");

  EXPECT_THAT(out, HasSubstr("MeanHook (hook)  plugin acme-hooks 1.2.0\nAverages what it sees.\n"));
  EXPECT_THAT(out,
              HasSubstr("  interval  (integer, required, allowed [1, inf))\n      iterations "
                        "between two means\n"));
  EXPECT_THAT(
      out,
      HasSubstr("  mode  (text, default \"mean\", allowed mean|median)\n      how to average\n"));
}

TEST_F(ReportTest, DescribesAllTypesOfTheName) {
  add("registry_hooks");
  add("registry_hooks_again");

  const std::string out = describe(registry(), "MeanHook");

  EXPECT_THAT(out,
              AllOf(HasSubstr("plugin acme-hooks"),
                    HasSubstr("plugin registry_hooks_again"),
                    HasSubstr("no keys")));
}

TEST_F(ReportTest, NamesTheNearestTypeToOneThatItCannotDescribe) {
  add("registry_hooks");

  EXPECT_THAT(message_of([&] { (void)describe(registry(), "MenHook"); }),
              HasSubstr("did you mean \"MeanHook\"?"));
}

}  // namespace
}  // namespace strata::registry
