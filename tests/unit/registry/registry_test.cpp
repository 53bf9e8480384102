// Tests of finding a type: names, vendors, pins, and what is said when it is not there.
#include "registry/registry.hpp"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/hook.h"

#include "parts.hpp"

namespace strata::registry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST_F(RegistryTest, FindsATypeAndItsFields) {
  add("registry_hooks");

  const Registry all = registry();
  const Type type = all.find({"hook", "MeanHook", "", ""});

  EXPECT_EQ(type.name(), "MeanHook");
  EXPECT_EQ(type.plugin->candidate.manifest.id, "acme-hooks");
  ASSERT_EQ(type.fields().size(), 6U);
  EXPECT_EQ(type.fields()[0].name, "interval");
  EXPECT_TRUE(type.fields()[0].required);
}

TEST_F(RegistryTest, FindsAVendorsTypeByItsBareName) {
  add("registry_hooks");

  EXPECT_EQ(registry().find({"hook", "TimerHook", "", ""}).name(), "acme.TimerHook");
  EXPECT_EQ(registry().find({"hook", "acme.TimerHook", "", ""}).name(), "acme.TimerHook");
}

TEST_F(RegistryTest, FindsATypeByItsVendorWhereItsNameHasNone) {
  add("registry_hooks");

  EXPECT_EQ(registry().find({"hook", "acme.MeanHook", "", ""}).name(), "MeanHook");
}

TEST_F(RegistryTest, NamesThePlaceAndTheNearestTypeOfTheSameKind) {
  add("registry_hooks");

  EXPECT_THAT(refusal("[hook]\ntype = \"MeenHook\""),
              AllOf(StartsWith("a.toml:2:"),
                    EndsWith("unknown hook type \"MeenHook\"; did you mean \"MeanHook\"?")));
}

TEST_F(RegistryTest, SaysWhenTheTypeIsOfAnotherKind) {
  add("registry_hooks");

  EXPECT_THAT(refusal("[hook]\ntype = \"FloodMetric\""),
              AllOf(StartsWith("a.toml:2:"),
                    HasSubstr("unknown hook type"),
                    HasSubstr("FloodMetric is of kind metric")));
}

TEST_F(RegistryTest, NamesTheTableThatHasNoTypeAndWhatItCouldBe) {
  add("registry_hooks");

  EXPECT_THAT(refusal("[hook]\ninterval = 1"),
              AllOf(StartsWith("a.toml:1:"),
                    HasSubstr("hook has no `type`"),
                    HasSubstr("MeanHook, acme.TimerHook")));
}

TEST_F(RegistryTest, NamesTheValueThatShouldBeATable) {
  EXPECT_THAT(refusal("hook = 3"),
              AllOf(StartsWith("a.toml:1:"),
                    HasSubstr("hook must be a table with a `type`, found an integer")));
}

TEST_F(RegistryTest, SaysThatNoPluginOfTheKindWasFound) {
  EXPECT_THAT(refusal("[hook]\ntype = \"MeanHook\""),
              HasSubstr("no plugin of kind hook was found"));
}

TEST_F(RegistryTest, GivesTheReasonWhyThePluginOfATypeIsRefused) {
  folder_.add_edited(
      "registry_hooks", "minor = " + std::to_string(STRATA_ABI_MINOR) + "\n", "minor = 9\n");

  EXPECT_THAT(refusal("[hook]\ntype = \"MeanHook\""),
              AllOf(StartsWith("a.toml:2:"),
                    HasSubstr("unknown hook type \"MeanHook\""),
                    HasSubstr(path("registry_hooks")),
                    HasSubstr("refused: abi: this host has 0." + std::to_string(STRATA_ABI_MINOR)),
                    HasSubstr("built for 0.9")));
}

TEST_F(RegistryTest, ListsOtherRefusedPluginsShortly) {
  for (int i = 0; i < 7; ++i) {
    plugin::write_bytes(
        folder_.path() / text("cut", i, ".so"),
        plugin::read_bytes(std::filesystem::path(TEST_PLUGIN_DIR) / "registry_hooks.so")
            .substr(0, 99));
  }

  EXPECT_THAT(refusal("[hook]\ntype = \"MeanHook\""),
              AllOf(HasSubstr("cut0.so: the file is cut off"),
                    HasSubstr("cut4.so"),
                    Not(HasSubstr("cut5.so")),
                    HasSubstr("and 2 more")));
}

TEST_F(RegistryTest, RefusesATypeThatTwoPluginsHaveAndShowsHowToChoose) {
  add("registry_hooks");
  add("registry_hooks_again");

  EXPECT_THAT(refusal("[hook]\ntype = \"MeanHook\""),
              AllOf(StartsWith("a.toml:2:"),
                    HasSubstr("in 2 plugins"),
                    HasSubstr(path("registry_hooks")),
                    HasSubstr(path("registry_hooks_again")),
                    HasSubstr("plugin = \"acme-hooks\"")));
}

TEST_F(RegistryTest, TakesThePluginThatTheTableNames) {
  add("registry_hooks");
  add("registry_hooks_again");
  const config::Value root =
      parse("[hook]\ntype = \"MeanHook\"\nplugin = \"registry_hooks_again\"");

  const auto hook = registry().create<strata_hook_api>("hook", root.at("hook"), nullptr);
  strata_hook_desc desc = {STRATA_HDR(strata_hook_desc), 0, 0, 0};
  hook.call(&strata_hook_api::describe, &desc);

  EXPECT_EQ(desc.points, 7U);
}

TEST_F(RegistryTest, LeavesAKeyCalledPluginToTheTypeThatHasOne) {
  add("registry_hooks_again");
  for (const char* plugin : {"\"abc\"", "{ points = 3 }"}) {
    const config::Value root = parse(text("[hook]\ntype = \"KeyedHook\"\nplugin = ", plugin));

    const auto hook = registry().create<strata_hook_api>("hook", root.at("hook"), nullptr);
    strata_hook_desc desc = {STRATA_HDR(strata_hook_desc), 0, 0, 0};
    hook.call(&strata_hook_api::describe, &desc);

    EXPECT_EQ(desc.points, 3U) << plugin;
  }
}

TEST_F(RegistryTest, NamesAPluginIdThatDoesNotExist) {
  add("registry_hooks");

  EXPECT_THAT(refusal("[hook]\ntype = \"MeanHook\"\nplugin = \"acme\""),
              HasSubstr("in a plugin with the id \"acme\""));
}

TEST_F(RegistryTest, SaysThatACopyOfAPluginMustGo) {
  add("registry_hooks");
  folder_.add("registry_hooks", "copy.so");

  EXPECT_THAT(refusal("[hook]\ntype = \"MeanHook\""), HasSubstr("remove all but one"));
}

TEST_F(RegistryTest, NamesThePlaceWhenAPluginDoesNotLoad) {
  // The note, not the code, is renamed: they no longer agree.
  folder_.add_edited("registry_hooks_again", "name = \"MeanHook\"", "name = \"ReanHook\"");

  EXPECT_THAT(refusal("[hook]\ntype = \"ReanHook\""),
              AllOf(StartsWith("a.toml:2:"),
                    HasSubstr("the hook type \"ReanHook\""),
                    HasSubstr("its code does not")));
}

TEST_F(RegistryTest, FingerprintsThePluginsInUse) {
  add("registry_hooks");
  add("registry_hooks_again");
  const Registry all = registry();
  EXPECT_THAT(all.fingerprint(), IsEmpty());

  (void)all.find({"hook", "TimerHook", "", ""});

  EXPECT_THAT(all.fingerprint(), ElementsAre(StartsWith("acme-hooks 1.2.0 ")));
}

TEST_F(RegistryTest, CreatesFromSeveralThreads) {
  add("registry_hooks");
  const Registry all = registry();
  std::vector<std::thread> threads;
  std::atomic<int> made = 0;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const config::Value root = parse("[hook]\ntype = \"MeanHook\"\ninterval = 3");
      for (int j = 0; j < 20; ++j) {
        made += all.create<strata_hook_api>("hook", root.at("hook"), nullptr) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  EXPECT_EQ(made, 80);
}

}  // namespace
}  // namespace strata::registry
