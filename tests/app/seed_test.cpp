// The seed's configurations run as they are written, on images in CIFAR-10's format: three iterations of batch 8, then
// validation. With a seed, for the first loss of random weights is a random number.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image_files.hpp"
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;

class Seed : public Scene, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { write_cifar10(path("cifar"), 10); }
};

TEST_P(Seed, TrainsForThreeIterationsOnTwoRanks) {
  const std::string file = std::string(STRATA_SOURCE_DIR "/configs/seed/") + GetParam() + ".toml";

  const Outcome done = run(strata({"train",
                                   file,
                                   "--nproc",
                                   "2",
                                   "--work-dir",
                                   "work",
                                   "--cfg-options",
                                   "randomness.seed=0",
                                   "train_dataloader.batch_size=8",
                                   "train_dataloader.dataset.data_root=" + path("cifar").string(),
                                   "val_dataloader.dataset.data_root=" + path("cifar").string(),
                                   "train_dataloader.drop_last=true",
                                   "train_cfg.max_epochs=1",
                                   "default_hooks.logger.interval=1"}),
                           std::chrono::minutes(12));

  ASSERT_EQ(done.code, 0) << done.err;
  const bool fp16 = GetParam() == std::string_view("deepspeed");
  EXPECT_EQ(log_of("work").find("fp16 arithmetic on a CPU") != std::string::npos, fp16);
  const std::vector<double> losses = series("work", "loss");
  ASSERT_EQ(losses.size(), 3U);
  EXPECT_NEAR(losses[0], 6.9, 1.0);  // ln 1000, at random weights
}

INSTANTIATE_TEST_SUITE_P(Configs,
                         Seed,
                         testing::Values("plain", "fsdp", "deepspeed", "colossalai"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace strata::test
