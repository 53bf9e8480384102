// DeepSpeedStrategy from its configuration to the losses.
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;
using testing::Pointwise;

constexpr const char* kFile = R"(// as DeepSpeed reads it
{
  "train_batch_size": 24,
  "train_micro_batch_size_per_gpu": 6,
  "optimizer": {
    "type": "Adam",
    "params": { "lr": 3e-3, "betas": [0.9, 0.999], "eps": 1e-8 }
  },
  "scheduler": {
    "type": "WarmupLR",
    "params": { "warmup_max_lr": "auto", "warmup_num_steps": 4, "warmup_type": "linear" }
  },
  "zero_optimization": { "stage": 0, "cpu_offload": false },
  "steps_per_print": 10,
  "wall_clock_breakdown": false,
}
)";

constexpr const char* kNamesFile = R"([strategy]
type = "DeepSpeedStrategy"
config = "ds_config.json"
[optim_wrapper]
_delete_ = true
type = "DeepSpeedOptimWrapper"
)";

std::string iterations(int n) {
  return "[train_cfg]\nby_epoch = false\nmax_iters = " + std::to_string(n) + "\n";
}

class DeepSpeed : public Scene {
 protected:
  DeepSpeed() { write_text(path("ds_config.json"), kFile); }

  void expect_refused(const std::string& text, const std::vector<std::string>& says) const {
    const Outcome outcome =
        run_strata({"train", config(text), "--nproc", "2", "--work-dir", "work"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    for (const std::string& part : says) {
      EXPECT_THAT(outcome.err, HasSubstr(part));
    }
    EXPECT_FALSE(fs::exists(path("work")));
  }
};

TEST_F(DeepSpeed, TrainsByAnUnmodifiedFile) {
  train(config(kNamesFile + iterations(8)), "work", {"--nproc", "2"});

  const std::string log = log_of("work");
  EXPECT_THAT(log, HasSubstr("ds_config.json): ZeRO stage 0, fp32"));
  EXPECT_THAT(log, HasSubstr("clipping 1.0 (DeepSpeed's default)"));
  EXPECT_THAT(log, HasSubstr("ds_config.json:14: steps_per_print has no effect"));
}

TEST_F(DeepSpeed, ItsScheduleMovesOnceForEachUpdate) {
  train(config(kNamesFile + iterations(8)), "work", {"--nproc", "2"});

  // 24 samples are 2 iterations of 2 ranks with 6; the first two updates of a warm-up are at 0.
  const std::vector<double> wanted = {0, 0, 0, 0, 7.5e-4, 7.5e-4, 1.5e-3, 1.5e-3};
  EXPECT_THAT(series("work", "lr"), Pointwise(testing::DoubleNear(1e-12), wanted));
  EXPECT_FALSE(series("work", "grad_norm").empty());  // a file clips by default
}

TEST_F(DeepSpeed, GoesOnInTheMiddleOfItsSchedule) {
  const std::string whole =
      config(kNamesFile + iterations(8) + "[default_hooks.checkpoint]\ninterval = 4\n");
  train(whole, "whole", {"--nproc", "2"});
  train(config(kNamesFile + iterations(4) + "[default_hooks.checkpoint]\ninterval = 4\n", "half"),
        "part",
        {"--nproc", "2"});

  train(whole, "part", {"--nproc", "2", "--resume"});

  EXPECT_EQ(series("part", "lr"), series("whole", "lr"));
  EXPECT_EQ(series("part", "loss"), series("whole", "loss"));
}

TEST_F(DeepSpeed, AtStageZeroEqualsDdpToTheBit) {
  const std::string wrapper = "[optim_wrapper]\ntype = \"DeepSpeedOptimWrapper\"\n";
  const std::string tail =
      "clip_grad = { max_norm = 0.5 }\naccumulative_counts = 2\n" + iterations(6);
  train(config("[strategy]\ntype = \"DeepSpeedStrategy\"\n" + wrapper + tail, "ds"),
        "ds",
        {"--nproc", "2"});
  train(config("[strategy]\ntype = \"DDPStrategy\"\n" + wrapper + tail, "ddp"),
        "ddp",
        {"--nproc", "2"});

  EXPECT_EQ(series("ds", "loss").size(), 6);
  EXPECT_EQ(series("ds", "loss"), series("ddp", "loss"));
}

TEST_F(DeepSpeed, AGrowingLossScaleDoesNotChangeUpdates) {
  const auto losses = [this](const std::string& name, const std::string& fp16) {
    train(config("[strategy]\ntype = \"DeepSpeedStrategy\"\nfp16 = { enabled = true, " + fp16 +
                     " }\n[optim_wrapper]\n_delete_ = true\ntype = \"DeepSpeedOptimWrapper\"\n"
                     "optimizer = { type = \"SGD\", lr = 0.05 }\n" +
                     iterations(6),
                 name),
          name);
    return series(name, "loss");
  };
  const std::vector<double> fixed = losses("fixed", "loss_scale = 1024");

  // Doubled after each update but the first: unscaled by the new scale, an update were half as large.
  const std::vector<double> growing =
      losses("growing", "initial_scale_power = 10, loss_scale_window = 1");

  EXPECT_THAT(growing, Pointwise(testing::DoubleNear(1e-3), fixed));
  EXPECT_LT(fixed.back(), fixed.front() - 0.05);  // the updates are large enough to be seen
}

TEST_F(DeepSpeed, TheUsersClippingWinsOverTheDefaultOfAFile) {
  train(config(std::string(kNamesFile) + "clip_grad = { max_norm = 7 }\n" + iterations(2)),
        "work",
        {"--nproc", "2"});

  EXPECT_THAT(read_text(path("work/run.toml")), HasSubstr("max_norm = 7"));
}

TEST_F(DeepSpeed, AnOptimizerInBothPlacesIsRefused) {
  expect_refused(
      "[strategy]\ntype = \"DeepSpeedStrategy\"\nconfig = \"ds_config.json\"\n" + iterations(2),
      {"base.toml:",
       "optim_wrapper.optimizer is given here and by the strategy's own file",
       "ds_config.json:5"});
}

TEST_F(DeepSpeed, HalfPrecisionUnderAnotherWrapperIsRefusedWithTheOneItNeeds) {
  expect_refused(
      "[strategy]\ntype = \"DeepSpeedStrategy\"\nbf16 = { enabled = true }\n" + iterations(2),
      {"run.toml:4:1", "needs optim_wrapper.type = \"DeepSpeedOptimWrapper\"", "\"bf16\""});
}

TEST_F(DeepSpeed, TheSeedsConfigurationIsAccepted) {
  const std::string seed = STRATA_SOURCE_DIR "/configs/seed/deepspeed.toml";
  const Outcome outcome = run_strata({"train", seed, "--nproc", "2", "--dry-run"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(DeepSpeed, BatchSizesThatDoNotFitAreRefused) {
  write_text(path("ds_config.json"), "{\n\"train_batch_size\": 25}");
  expect_refused(
      "[strategy]\ntype = \"DeepSpeedStrategy\"\nconfig = \"ds_config.json\"\n" + iterations(2),
      {"ds_config.json:2", "train_batch_size = 25", "train_dataloader.batch_size = 6"});
}

TEST_F(DeepSpeed, AMistakeInTheFileIsNamedByItsLine) {
  write_text(path("ds_config.json"), "{\n\"zero_optimization\": {\n\"stgae\": 2}}");
  expect_refused(
      "[strategy]\ntype = \"DeepSpeedStrategy\"\nconfig = \"ds_config.json\"\n" + iterations(2),
      {R"(ds_config.json:3: unknown key "zero_optimization.stgae"; did you mean "stage"?)",
       "DeepSpeedStrategy"});
}

TEST_F(DeepSpeed, AMistakeInTomlIsNamedByItsLine) {
  expect_refused("[strategy]\ntype = \"DeepSpeedStrategy\"\nzero_optimisation = { stage = 2 }\n" +
                     iterations(2),
                 {"run.toml:4:", "\"zero_optimisation\"", "did you mean \"zero_optimization\"?"});
}

}  // namespace
}  // namespace strata::test
