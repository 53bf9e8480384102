// Tests of making objects: keys, values, unread keys, refusals by the plugin, broken objects.
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/hook.h"

#include "parts.hpp"
#include "registry/registry.hpp"

namespace strata::registry {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CreateTest : public RegistryTest {
 protected:
  CreateTest() {
    add("registry_hooks");
    add("registry_bad_objects");
  }

  /// What the MeanHook made from these keys has as its points: 1000 * interval + extra.inner.depth.
  [[nodiscard]] uint64_t points(const std::string& keys,
                                std::span<const std::string_view> also_allowed = {}) const {
    const config::Value root = parse("[hook]\ntype = \"MeanHook\"\n" + keys);
    const auto hook =
        registry().create<strata_hook_api>("hook", root.at("hook"), nullptr, also_allowed);
    strata_hook_desc desc = {STRATA_HDR(strata_hook_desc), 0, 0, 0};
    hook.call(&strata_hook_api::describe, &desc);
    EXPECT_EQ(hook.type(), "MeanHook");
    return desc.points;
  }

  [[nodiscard]] std::string mean_refusal(const std::string& keys) const {
    return refusal("[hook]\ntype = \"MeanHook\"\n" + keys);
  }
};

TEST_F(CreateTest, HandsTheConfigurationToThePlugin) {
  EXPECT_EQ(points("interval = 3\nmode = \"median\""), 3000U);
}

TEST_F(CreateTest, HandsSubtablesToThePlugin) {
  EXPECT_EQ(points("interval = 3\nextra.inner.depth = 4"), 3004U);
}

TEST_F(CreateTest, LetsKeysOfTheHostPass) {
  constexpr std::array<std::string_view, 1> kOfTheHost = {"priority"};

  EXPECT_EQ(points("interval = 3\npriority = \"LOW\"", kOfTheHost), 3000U);
}

TEST_F(CreateTest, NamesAnUnknownKeyItsPlaceAndTheNearest) {
  EXPECT_THAT(
      mean_refusal("interval = 3\nrat = 0.5"),
      AllOf(StartsWith("a.toml:4:"), HasSubstr("\"rat\""), HasSubstr("did you mean \"rate\"?")));
}

TEST_F(CreateTest, NamesARequiredKeyThatIsMissing) {
  EXPECT_THAT(mean_refusal("rate = 0.5"), HasSubstr("required key \"interval\""));
}

TEST_F(CreateTest, RefusesAValueOfTheWrongKind) {
  EXPECT_THAT(mean_refusal("interval = \"often\""),
              AllOf(StartsWith("a.toml:3:"), HasSubstr("must be an integer")));
}

TEST_F(CreateTest, RefusesAValueOutOfRange) {
  EXPECT_THAT(mean_refusal("interval = 0"),
              AllOf(StartsWith("a.toml:3:"), HasSubstr("hook.interval = 0")));
}

TEST_F(CreateTest, RefusesAChoiceThatDoesNotExist) {
  EXPECT_THAT(mean_refusal("interval = 1\nmode = \"mediann\""),
              HasSubstr("did you mean \"median\"?"));
}

TEST_F(CreateTest, RefusesKeysThatThePluginDidNotRead) {
  EXPECT_THAT(mean_refusal("interval = 3\n[hook.extra.inner]\ndepth = 4\ndeepth = 5"),
              AllOf(StartsWith("a.toml:6:"),
                    HasSubstr("unknown key hook.extra.inner.deepth"),
                    HasSubstr("MeanHook")));
}

TEST_F(CreateTest, MarksWhatItTookAsRead) {
  const config::Value root =
      parse("[hook]\ntype = \"MeanHook\"\ninterval = 3\nkeys = [\"a\"]\nextra.inner.depth = 1");

  (void)registry().create<strata_hook_api>("hook", root.at("hook"), nullptr);

  EXPECT_TRUE(config::unread(root.at("hook")).empty());
}

TEST_F(CreateTest, AddsPlaceAndPluginToARefusalByThePlugin) {
  EXPECT_THAT(mean_refusal("interval = 3\nfail = true"),
              AllOf(StartsWith("a.toml:1:"),
                    HasSubstr("mode mean cannot work here"),
                    HasSubstr("while making hook (MeanHook"),
                    HasSubstr(path("registry_hooks"))));
}

TEST_F(CreateTest, RefusesAnObjectThatIsNull) {
  EXPECT_THAT(refusal("hook.type = \"NullObject\""), HasSubstr("gave no object"));
}

TEST_F(CreateTest, RefusesAnObjectWithAShortTable) {
  EXPECT_THAT(refusal("hook.type = \"ShortTable\""), HasSubstr("struct_size 4"));
}

TEST_F(CreateTest, RefusesAnObjectThatCannotBeDestroyed) {
  EXPECT_THAT(refusal("hook.type = \"NoDestroy\""), HasSubstr("without destroy()"));
}

TEST_F(CreateTest, TurnsAnExceptionThatLeavesThePluginIntoAnError) {
  EXPECT_THAT(refusal("hook.type = \"Thrower\""),
              AllOf(HasSubstr("a raw exception"), HasSubstr("registry_bad_objects")));
}

}  // namespace
}  // namespace strata::registry
