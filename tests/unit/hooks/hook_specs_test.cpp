// Tests of which hooks a configuration asks for.
#include "hooks/hook_specs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

#include "config/parse.hpp"

namespace strata::hooks {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<HookSpec> specs(const std::string& toml, bool by_epoch = true) {
  const config::Value root = config::parse_toml(toml, "run.toml");
  return hook_specs(root.find("default_hooks"), root.find("custom_hooks"), by_epoch);
}

std::vector<std::string> types(const std::vector<HookSpec>& all) {
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const HookSpec& spec : all) {
    out.push_back(spec.table().get<std::string>("type"));
  }
  return out;
}

std::string refusal(const std::string& toml) {
  try {
    specs(toml);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.what();
  }
  return "no error";
}

TEST(HookSpecs, AreMmenginesDefaultsWithoutAnyKey) {
  const auto all = specs("");

  EXPECT_THAT(types(all),
              ElementsAre("RuntimeInfoHook",
                          "IterTimerHook",
                          "DistSamplerSeedHook",
                          "CheckInvalidLossHook",
                          "LoggerHook",
                          "ParamSchedulerHook",
                          "CheckpointHook"));
  EXPECT_EQ(all.back().name(), "checkpoint");
  EXPECT_EQ(all.back().table().get<int64_t>("interval"), 1);
}

TEST(HookSpecs, DoNotSaveACheckpointAfterEveryIterationUnlessAsked) {
  EXPECT_EQ(specs("", false).back().table().find("interval"), nullptr);
  EXPECT_EQ(
      specs("default_hooks.checkpoint.interval = 1", false).back().table().get<int64_t>("interval"),
      1);
}

TEST(HookSpecs, PutATableWithoutTypeOverTheDefault) {
  const auto all = specs("[default_hooks]\ncheckpoint = {max_keep_ckpts = 3}");

  EXPECT_EQ(all.back().table().get<std::string>("type"), "CheckpointHook");
  EXPECT_EQ(all.back().table().get<int64_t>("interval"), 1);
  EXPECT_EQ(all.back().table().get<int64_t>("max_keep_ckpts"), 3);
}

TEST(HookSpecs, LetATableWithTypeReplaceTheDefault) {
  const auto all = specs("[default_hooks]\ncheckpoint = {type = 'MySaver'}");

  EXPECT_EQ(all.back().table().get<std::string>("type"), "MySaver");
  EXPECT_EQ(all.back().table().find("interval"), nullptr);
}

TEST(HookSpecs, LeaveOutWhatIsFalse) {
  const auto all = specs("[default_hooks]\ntimer = false\ncheck_invalid_loss = false");

  EXPECT_THAT(types(all),
              ElementsAre("RuntimeInfoHook",
                          "DistSamplerSeedHook",
                          "LoggerHook",
                          "ParamSchedulerHook",
                          "CheckpointHook"));
}

TEST(HookSpecs, AddNewNamesAndThenCustomHooksInOrder) {
  const auto all = specs(
      "custom_hooks = [{type = 'B'}, {type = 'C', priority = 'low'}]\ndefault_hooks.a = {type = "
      "'A'}");

  EXPECT_EQ(all[7].name(), "a");
  EXPECT_EQ(all[8].table().get<std::string>("type"), "B");
  EXPECT_EQ(all[8].priority(), std::nullopt);
  EXPECT_EQ(all[9].priority(), 70);
}

TEST(HookSpecs, TakePrioritiesByNumberAndByNameInAnyCase) {
  const auto all =
      specs("[default_hooks]\nlogger = {priority = 'Above_Normal'}\ncheckpoint = {priority = 100}");

  EXPECT_EQ(all[4].priority(), 40);
  EXPECT_EQ(all[6].priority(), 100);
}

TEST(HookSpecs, KeepTheirTablesPlaceAndPathWhenTheyMove) {
  auto all = specs("[default_hooks]\nlogger = {interval = 5}");
  const config::Value* const table = &all[4].table();

  const std::vector<HookSpec> moved = std::move(all);

  EXPECT_EQ(&moved[4].table(), table);
  EXPECT_EQ(table->path(), "default_hooks.logger");
  EXPECT_EQ(table->find("interval")->where(), "run.toml:2:11");
}

TEST(HookSpecs, MarkTheirKeysAsRead) {
  config::Value root = config::parse_toml(
      "custom_hooks = [{type = 'B', x = 1}]\ndefault_hooks.timer = {y = 2}", "run.toml");
  seal(root);
  root.mark_read();

  const auto all = hook_specs(root.find("default_hooks"), root.find("custom_hooks"), true);

  EXPECT_TRUE(config::unread(root).empty());
}

TEST(HookSpecs, RefuseFalseForAnUnknownNameAndSayTheNearest) {
  EXPECT_THAT(refusal("[default_hooks]\ntimr = false"),
              AllOf(HasSubstr("run.toml:2:"),
                    HasSubstr("default_hooks.timr"),
                    HasSubstr("did you mean \"timer\"")));
}

TEST(HookSpecs, RefuseANewNameWithoutType) {
  EXPECT_THAT(refusal("[default_hooks]\nlogg = {interval = 5}"),
              AllOf(HasSubstr("default_hooks.logg has no `type`"), HasSubstr("logger")));
}

TEST(HookSpecs, RefuseWhatIsNoTable) {
  EXPECT_THAT(refusal("[default_hooks]\ntimer = 3"), HasSubstr("must be a table, or false"));
  EXPECT_THAT(refusal("custom_hooks = [1]"), HasSubstr("found an integer"));
}

TEST(HookSpecs, RefusePrioritiesThatAreNone) {
  EXPECT_THAT(refusal("[default_hooks]\ntimer = {priority = 101}"),
              HasSubstr("0 (first) to 100 (last), not 101"));
  EXPECT_THAT(refusal("[default_hooks]\ntimer = {priority = 'NORMAAL'}"),
              HasSubstr("did you mean \"NORMAL\""));
}

}  // namespace
}  // namespace strata::hooks
