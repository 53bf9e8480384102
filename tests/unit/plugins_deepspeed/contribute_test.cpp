// What a configuration tells the run's own sections.
#include "contribute.hpp"

#include "loaded.hpp"

namespace strata::deepspeed {
namespace {

constexpr BatchFacts kBatchEightOnTwo{8, 2};

/// "key = value", "(yields)" behind those that do; loss scale and clipping included.
std::vector<std::string> contributed(const Loaded& loaded,
                                     std::vector<std::string>* notes = nullptr) {
  std::vector<std::string> said;
  std::vector<std::string> out;
  for (const Contribution& c : contributions(loaded, kBatchEightOnTwo, said)) {
    out.push_back(c.key + " = " + c.toml + (c.yields ? " (yields)" : ""));
  }
  if (notes != nullptr) {
    *notes = said;
  }
  return out;
}

/// The value of one key; empty when it is not contributed.
std::string value_of(const Loaded& loaded, const std::string& key) {
  std::vector<std::string> notes;
  for (const Contribution& c : contributions(loaded, kBatchEightOnTwo, notes)) {
    if (c.key == key) {
      return c.toml;
    }
  }
  return {};
}

std::string optimizer(const std::string& section) {
  return value_of(json("{\"optimizer\": " + section + "}"), "optim_wrapper.optimizer");
}

std::string scheduler(const std::string& section) {
  return value_of(json("{\"scheduler\": " + section + "}"), "param_scheduler");
}

std::string contribution_refusal(const std::string& text) {
  return test::error_of([&] { std::ignore = contributed(json(text)); });
}

TEST(DeepSpeedOptimizer, AdamMeansAdamW) {
  EXPECT_EQ(
      optimizer(R"({"type": "Adam", "params": {"lr": 3e-5, "betas": [0.8, 0.999], "eps": 1e-8,
                          "weight_decay": 3e-7}})"),
      "{type = \"AdamW\", lr = 3e-05, betas = [0.8, 0.999], eps = 1e-08, weight_decay = 3e-07}");
}

TEST(DeepSpeedOptimizer, AdamIsAdamWithoutAdamWMode) {
  EXPECT_EQ(optimizer(R"({"type": "adam", "params": {"lr": 0.1, "adam_w_mode": false}})"),
            "{type = \"Adam\", lr = 0.1}");
}

TEST(DeepSpeedOptimizer, AdamWDoesNotDecayUnlessAsked) {
  EXPECT_EQ(optimizer(R"({"type": "ADAMW"})"),
            "{type = \"AdamW\", lr = 0.001, weight_decay = 0.0}");
}

TEST(DeepSpeedOptimizer, KeysThatChooseAnImplementationAreDropped) {
  EXPECT_EQ(
      optimizer(R"({"type": "AdamW", "params": {"lr": 1, "weight_decay": 0, "torch_adam": true,
                          "bias_correction": true}, "legacy_fusion": false})"),
      "{type = \"AdamW\", lr = 1, weight_decay = 0}");
}

TEST(DeepSpeedOptimizer, AdamWithoutBiasCorrectionIsDeepSpeedsOwnName) {
  EXPECT_EQ(
      optimizer(R"({"type": "Adam", "params": {"bias_correction": false}})"),
      "{type = \"DeepSpeedCPUAdam\", bias_correction = false, adamw_mode = true, lr = 0.001}");
  EXPECT_EQ(
      optimizer(R"({"type": "Adam", "params": {"bias_correction": false, "adam_w_mode": false}})"),
      "{type = \"DeepSpeedCPUAdam\", bias_correction = false, adamw_mode = false, lr = 0.001}");
}

TEST(DeepSpeedOptimizer, LionAndAdagradHaveTheirLibrariesDefaults) {
  EXPECT_EQ(optimizer(R"({"type": "lion"})"), "{type = \"DeepSpeedCPULion\", lr = 0.001}");
  EXPECT_EQ(optimizer(R"({"type": "ADAGRAD"})"), "{type = \"Adagrad\", lr = 0.01}");
}

TEST(DeepSpeedOptimizer, OthersKeepTheirName) {
  EXPECT_EQ(optimizer(R"({"type": "sgd", "params": {"lr": 0.1, "momentum": 0.9}})"),
            "{type = \"SGD\", lr = 0.1, momentum = 0.9}");
  EXPECT_EQ(optimizer(R"({"type": "Adafactor"})"), "{type = \"Adafactor\", lr = 0.001}");
}

TEST(DeepSpeedOptimizer, IsTheUsersWhenEverythingIsAuto) {
  std::vector<std::string> notes;
  EXPECT_THAT(
      contributed(
          json(R"({"optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto"}}})"),
          &notes),
      Contains(
          "optim_wrapper.optimizer = {type = \"AdamW\", lr = 0.001, weight_decay = 0.0} (yields)"));
  EXPECT_THAT(notes, ElementsAre(HasSubstr("optimizer.params.lr = \"auto\""), HasSubstr("betas")));
}

TEST(DeepSpeedOptimizer, RefusesWhatCannotBeHad) {
  EXPECT_THAT(
      contribution_refusal(
          "{\"optimizer\": {\"type\": \"Adam\", \"params\": {\n\"max_grad_norm\": 1.0}}}"),
      HasSubstr("ds_config.json:2: optimizer.params.max_grad_norm is not an optimizer's: write "
                "gradient_clipping = 1.0"));
  EXPECT_THAT(contribution_refusal(R"({"optimizer": {"type": "OneBitAdam"}})"),
              HasSubstr("is not implemented"));
  EXPECT_THAT(contribution_refusal(R"({"optimizer": {"type": "Lamb"}})"),
              HasSubstr("is not implemented"));
  EXPECT_THAT(contribution_refusal(R"({"optimizer": {"params": {}}})"),
              HasSubstr("optimizer has no type"));
}

TEST(DeepSpeedScheduler, BecomesTheRuns) {
  EXPECT_EQ(
      scheduler(R"({"type": "WarmupLR", "params": {"warmup_min_lr": 0, "warmup_max_lr": 3e-5,
                          "warmup_num_steps": 500}})"),
      "{type = \"WarmupLR\", warmup_min_lr = 0, warmup_max_lr = 3e-05, warmup_num_steps = 500}");
}

TEST(DeepSpeedScheduler, KeepsTheAutosThatItResolvesItself) {
  EXPECT_EQ(
      scheduler(
          R"({"type": "WarmupDecayLR", "params": {"warmup_min_lr": "auto", "warmup_max_lr": "auto",
                          "warmup_num_steps": "auto", "total_num_steps": "auto"}})"),
      "{type = \"WarmupDecayLR\", warmup_max_lr = \"auto\", total_num_steps = \"auto\"}");
}

TEST(DeepSpeedScheduler, RefusesOnesThatAreNotDeepSpeeds) {
  EXPECT_THAT(contribution_refusal(R"({"scheduler": {"type": "StepLR"}})"),
              HasSubstr("[param_scheduler]"));
}

TEST(DeepSpeedClipping, IsOneForAFileThatDoesNotSay) {
  EXPECT_THAT(contributed(json("{}")),
              ElementsAre("optim_wrapper.clip_grad = {max_norm = 1.0} (yields)"));
}

TEST(DeepSpeedClipping, IsOffForAFileThatSaysNought) {
  EXPECT_THAT(contributed(json(R"({"gradient_clipping": 0})")), IsEmpty());
}

TEST(DeepSpeedClipping, IsTheRunsOwnBesideKeysInToml) {
  EXPECT_THAT(contributed(toml("")), IsEmpty());
}

TEST(DeepSpeedClipping, IsWhatIsSaid) {
  EXPECT_THAT(contributed(toml("gradient_clipping = 0.5")),
              ElementsAre("optim_wrapper.clip_grad = {max_norm = 0.5}"));
}

TEST(DeepSpeedPrecision, BringsTheLossScale) {
  EXPECT_THAT(contributed(toml("fp16 = { enabled = true, initial_scale_power = 15 "
                               "}\nzero_optimization = { stage = 2 }")),
              ElementsAre("optim_wrapper.fp16 = {loss_scale = 0.0, initial_scale_power = 15, "
                          "loss_scale_window = 1000, "
                          "hysteresis = 2, consecutive_hysteresis = false, min_loss_scale = 1, "
                          "min_loss_scale_warnings = 10}"));
}

TEST(DeepSpeedPrecision, AtStage0TheScaleFallsAtOnceAndNeverEndsTheRun) {
  EXPECT_THAT(
      value_of(toml("fp16 = { enabled = true }"), "optim_wrapper.fp16"),
      testing::AllOf(HasSubstr("hysteresis = 1"), HasSubstr("min_loss_scale_warnings = -1")));
}

TEST(DeepSpeedPrecision, BringsTheOverflowCheckOfBf16) {
  EXPECT_THAT(contributed(toml("bf16 = { enabled = true, check_grad_overflow = false }")),
              ElementsAre("optim_wrapper.bf16 = {check_grad_overflow = false}"));
}

TEST(DeepSpeedAccumulation, FollowsFromTheBatchSizes) {
  EXPECT_THAT(contributed(toml("train_batch_size = 64\ntrain_micro_batch_size_per_gpu = 8")),
              ElementsAre("optim_wrapper.accumulative_counts = 4"));
  EXPECT_THAT(contributed(toml("train_micro_batch_size_per_gpu = 8")), IsEmpty());
}

TEST(DeepSpeedContributions, ComeFromWhereTheyWereWritten) {
  std::vector<std::string> notes;
  const auto all =
      contributions(json("{\n\"optimizer\": {\"type\": \"Adam\"},\n\"gradient_clipping\": 2}"),
                    kBatchEightOnTwo,
                    notes);

  ASSERT_EQ(all.size(), 2);
  EXPECT_EQ(all[0].where, "ds_config.json:2");
  EXPECT_EQ(all[1].where, "ds_config.json:3");
}

}  // namespace
}  // namespace strata::deepspeed
