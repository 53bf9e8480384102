// Commands that look and change nothing.
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using Commands = Scene;

std::string with_validation() {
  return std::string(kThreeIterations) + kValidation;
}

TEST_F(Commands, ConfigShowNamesThePlaceOfEveryValue) {
  const Outcome outcome =
      run_strata({"config", "show", config(), "--cfg-options", "model.hidden=[5]"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("train_cfg.max_iters = 3    # run.toml:4\n"),
                    HasSubstr("model.type = \"MLP\"    # base.toml:2\n"),
                    HasSubstr("model.hidden = [5]    # --cfg-options\n"),
                    HasSubstr("strategy.type = \"SingleDeviceStrategy\"    # default\n")));
}

TEST_F(Commands, ConfigCheckNeedsNoData) {
  fs::remove_all(path("data"));

  const Outcome good = run_strata({"config", "check", config(with_validation())});
  const Outcome bad = run_strata({"config", "check", config("[model]\nhiden = [3]\n")});

  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("run.toml: no problem found"));
  EXPECT_EQ(bad.code, 2);
}

TEST_F(Commands, ConfigCheckTakesAConfigForValidationAlone) {
  write_text(path("val.toml"), "model = { type = \"MLP\" }\n" + std::string(kValidation));

  const Outcome outcome = run_strata({"config", "check", "val.toml"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(Commands, ConfigExplainTellsTheKeysOfAType) {
  const Outcome outcome = run_strata({"config", "explain", "AdamW"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("AdamW (optimizer)"),
                    HasSubstr("lr  (float, default 0.001, allowed [0, inf))")));
}

TEST_F(Commands, ConfigExplainTellsTheTopLevel) {
  const Outcome outcome = run_strata({"config", "explain"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("model (required): "), HasSubstr("\ntrain_cfg: ")));
}

TEST_F(Commands, ConfigExplainOffersTheNearestType) {
  const Outcome outcome = run_strata({"config", "explain", "AdamX"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("\"AdamX\"; did you mean \"Adam"));
}

TEST_F(Commands, PluginListNamesKindTypeAndFile) {
  const Outcome outcome = run_strata({"plugin", "list"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      testing::ContainsRegex("\noptimizer +AdamW +strata.optimizer.adam .*/optimizer_adam.so\n"));
}

TEST_F(Commands, PluginInspectReadsANote) {
  const Outcome outcome = run_strata({"plugin", "inspect", STRATA_PLUGIN_DIR "/model_mlp.so"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("tier          torch-native"), HasSubstr("would load it")));
}

TEST_F(Commands, PluginInspectRefusesWhatIsNoPlugin) {
  const Outcome missing = run_strata({"plugin", "inspect", "gone.so"});
  const Outcome type = run_strata({"plugin", "inspect", "DDPStrategy"});
  const Outcome other = run_strata({"plugin", "inspect", "base.toml"});

  EXPECT_NE(missing.code, 0);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("gone.so"), Not(HasSubstr("config explain"))));
  EXPECT_THAT(type.err, HasSubstr("`strata config explain TYPE`"));
  EXPECT_THAT(other.out + other.err, HasSubstr("base.toml"));
}

TEST_F(Commands, EnvTellsTheVersions) {
  const Outcome outcome = run_strata({"env"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("plugin ABI 0."), HasSubstr("\nLibTorch: 2."), HasSubstr("\nCompiler: ")));
}

TEST_F(Commands, HelpListsTheCommands) {
  const Outcome outcome = run_strata({"--help"});

  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("train"), HasSubstr("val"), HasSubstr("config")));
}

}  // namespace
}  // namespace strata::test
