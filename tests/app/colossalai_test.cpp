// ColossalAIStrategy from its configuration to the losses.
#include <algorithm>
#include <cmath>

#include "scene.hpp"
#include "stored_tensors.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kIterations = R"([train_cfg]
by_epoch = false
max_iters = 30
[default_hooks]
checkpoint = { interval = 20 }
)";

class ColossalAI : public Scene {
 protected:
  static std::string strategy(const std::string& keys, const std::string& rest = {}) {
    return "[strategy]\ntype = \"ColossalAIStrategy\"\n" + keys + "\n" + rest;
  }

  void expect_refused(const std::string& text, const std::vector<std::string>& says) const {
    const Outcome outcome =
        run_strata({"train", config(text), "--nproc", "2", "--work-dir", "work"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    for (const std::string& part : says) {
      EXPECT_THAT(outcome.err, HasSubstr(part));
    }
    EXPECT_FALSE(fs::exists(path("work")));
  }

  [[nodiscard]] nlohmann::json scaler(const std::string& checkpoint) const {
    const auto state = nlohmann::json::parse(read_text(path(checkpoint) / "state.json"));
    return nlohmann::json::parse(state.at("optim_wrapper").get<std::string>()).at("loss_scaler");
  }
};

TEST_F(ColossalAI, IsGeminiWithItsOwnWrapperWhenNothingElseIsSaid) {
  train(config(strategy("", kThreeIterations)), "work", {"--nproc", "2"});

  EXPECT_THAT(log_of("work"), HasSubstr("ColossalAI: Gemini, bf16, no clipping; auto placement"));
  EXPECT_EQ(series("work", "loss").size(), 3U);
}

TEST_F(ColossalAI, ClipsByThePluginsMaxNorm) {
  train(config(strategy("plugin = { type = \"LowLevelZeroPlugin\", precision = \"fp32\", stage = "
                        "2, max_norm = 0.5 }",
                        kThreeIterations)),
        "work",
        {"--nproc", "2"});

  EXPECT_THAT(log_of("work"), HasSubstr("LowLevelZero stage 2, fp32, max_norm 0.5"));
  EXPECT_EQ(series("work", "grad_norm").size(), 3U);
}

// What the strategy contributed stands in it as well.
TEST_F(ColossalAI, RunsAgainFromItsDumpedConfiguration) {
  train(config(strategy("plugin = \"lowlevel-zero\"", kThreeIterations)), "work", {"--nproc", "2"});
  EXPECT_THAT(read_text(path("work/run.toml")), HasSubstr("initial_scale"));

  train("work/run.toml", "again", {"--nproc", "2"});

  EXPECT_EQ(series("again", "loss"), series("work", "loss"));
}

TEST_F(ColossalAI, TakesTheIdOfAPluginForThePlugin) {
  expect_refused(strategy("plugin = \"strata.strategy.fsdp\"", kThreeIterations),
                 {"unknown strategy type \"ColossalAIStrategy\""});
}

TEST_F(ColossalAI, ByNameIsLowLevelZeroAndItsWrapperMayBeNamed) {
  train(config(strategy("plugin = \"lowlevel-zero\"",
                        std::string(kThreeIterations) +
                            "[optim_wrapper]\ntype = \"ColossalAIOptimWrapper\"\n")),
        "work",
        {"--nproc", "2"});

  EXPECT_THAT(log_of("work"), HasSubstr("LowLevelZero stage 1, fp16, loss scale from"));
  EXPECT_THAT(log_of("work"), HasSubstr("fp16 arithmetic on a CPU"));
}

TEST_F(ColossalAI, RefusesAnotherWrapperAndClipGrad) {
  expect_refused(
      strategy("plugin = \"gemini\"",
               std::string(kThreeIterations) + "[optim_wrapper]\ntype = \"OptimWrapper\"\n"),
      {"max_norm", "ColossalAIOptimWrapper"});
  expect_refused(
      strategy("plugin = \"gemini\"",
               std::string(kThreeIterations) + "[optim_wrapper]\nclip_grad = { max_norm = 1.0 }\n"),
      {"run.toml", "write max_norm in the strategy's plugin"});
}

TEST_F(ColossalAI, RefusesWhatThePluginDoesNotKnow) {
  expect_refused(
      strategy("plugin = { type = \"LowLevelZeroPlugin\", stagee = 1 }", kThreeIterations),
      {"run.toml:4", "unknown key plugin.stagee; did you mean \"stage\"?"});
  expect_refused(strategy("plugin = { type = \"TorchDDPPlugin\" }", kThreeIterations),
                 {"DDPStrategy"});
  expect_refused(
      strategy("plugin = { type = \"GeminiPlugin\", extra_dp_size = 3 }", kThreeIterations),
      {"extra_dp_size = 3 does not divide 2"});
}

TEST_F(ColossalAI, TellsOfKeysWithoutEffectAndOfTwoPoolsOnce) {
  train(
      config(strategy(
          "config = { seed = 1 }\nplugin = { type = \"LowLevelZeroPlugin\", precision = \"bf16\", "
          "cpu_offload = true, hysteresis = 3 }",
          kThreeIterations)),
      "work",
      {"--nproc", "2"});

  const std::string log = log_of("work");
  for (const char* said :
       {"config has no effect", "plugin.hysteresis has no effect", "two pools of one memory"}) {
    const size_t first = log.find(said);
    EXPECT_NE(first, std::string::npos) << said;
    EXPECT_EQ(log.find(said, first + 1), std::string::npos) << said;
  }
}

// The original's scale and its counts are lost at every restart. This one overflows at first, then grows and overflows
// again and again.
TEST_F(ColossalAI, ResumesWithScaleCountsAndMasters) {
  const std::string file =
      config(strategy("plugin = { type = \"LowLevelZeroPlugin\", stage = 2, initial_scale = 1e9, "
                      "growth_interval = 3, verbose = true }",
                      kIterations));
  train(file, "whole", {"--nproc", "2"});

  train(file, "resumed", {"--nproc", "2", "--resume", "whole/iter_20"});

  const std::vector<double> all = series("whole", "loss");
  const std::vector<double> tail = series("resumed", "loss");
  ASSERT_EQ(tail.size(), 10U);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.end() - 10));
  EXPECT_LT(scaler("whole/iter_20").at("scale"), 1e9);
  EXPECT_EQ(scaler("resumed/iter_30"), scaler("whole/iter_30"));
  EXPECT_THAT(log_of("whole"), HasSubstr("the loss scale goes from 1000000000.0 to"));
  EXPECT_EQ(differences(path("resumed/iter_30"), path("whole/iter_30")), "");
}

}  // namespace
}  // namespace strata::test
