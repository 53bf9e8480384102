// EMAHook in whole runs: what checkpoints hold of averages, and what comes back of them.
#include <map>

#include "scene.hpp"
#include "stored_tensors.hpp"

namespace strata::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;

constexpr const char* kEma = "[[custom_hooks]]\ntype = \"EMAHook\"\nmomentum = 0.3\n";
constexpr const char* kFullShard =
    "[strategy]\ntype = \"FSDPStrategy\"\n"
    "model_wrapper = { auto_wrap_policy = \"always_wrap_policy\" }\n";

class Averages : public Scene {
 protected:
  [[nodiscard]] std::map<std::string, std::string> tensors(const std::string& checkpoint) const {
    return stored_tensors(path(checkpoint), /*ranks=*/false);
  }

  /// The averages of a checkpoint under the names of the weights.
  [[nodiscard]] std::map<std::string, std::string> averages(const std::string& checkpoint) const {
    std::map<std::string, std::string> out;
    for (const auto& [name, bytes] : tensors(checkpoint)) {
      if (name.ends_with(".ema")) {
        out[name.substr(0, name.size() - 4)] = bytes;
      }
    }
    return out;
  }

  /// The parameters that a run with a learning rate of zero begins with, and so ends with.
  std::map<std::string, std::string> beginning(const std::string& text,
                                               const std::string& from) const {
    const std::string file =
        config(text + "[train_cfg]\nby_epoch = false\nmax_iters = 1\n", "still");
    train(file, "still", {"--load-from", from, "--cfg-options", "optim_wrapper.optimizer.lr=0.0"});
    std::map<std::string, std::string> out;
    for (const auto& [name, bytes] : tensors("still/iter_1")) {
      if (name.ends_with(".weight") || name.ends_with(".bias")) {
        out[name] = bytes;
      }
    }
    return out;
  }
};

TEST_F(Averages, GoOnToTheBitWhenARunIsResumed) {
  const std::string file = config(kTwoEpochs + std::string(kFullShard) + kEma);
  train(file, "whole", {"--nproc", "2"});

  train(file, "resumed", {"--nproc", "2", "--resume", "whole/epoch_1"});

  EXPECT_TRUE(tensors("resumed/epoch_2") == tensors("whole/epoch_2"));
  EXPECT_THAT(averages("whole/epoch_2"), Contains(Key("fc1.weight")));
}

TEST_F(Averages, LeaveTrainingAsItIs) {
  const std::string text = std::string(kTwoEpochs) + kValidation;
  train(config(text, "plain"), "plain");

  train(config(text + kEma, "averaged"), "averaged");

  EXPECT_EQ(series("averaged", "loss"), series("plain", "loss"));
  auto averaged = tensors("averaged/epoch_2");
  std::erase_if(averaged, [](const auto& tensor) { return tensor.first.ends_with(".ema"); });
  EXPECT_TRUE(averaged == tensors("plain/epoch_2"));
}

// On one rank and under another strategy: averages go wherever weights go. An interval that never ends leaves them alone.
TEST_F(Averages, ReshardAsTheOptimizersStatesDo) {
  const std::string kept = kTwoEpochs + std::string(kEma) + "interval = 1000\n";
  train(config(kept + kFullShard, "fsdp"), "two", {"--nproc", "2"});

  train(config(kept, "one"),
        "one",
        {"--resume", "two/epoch_1", "--cfg-options", "train_dataloader.batch_size=12"});

  EXPECT_TRUE(averages("one/epoch_2") == averages("two/epoch_1"));
  EXPECT_FALSE(tensors("one/epoch_2").at("fc1.weight") == averages("one/epoch_2").at("fc1.weight"));
}

TEST_F(Averages, AreTheWeightsOfARunThatLoadsThem) {
  train(config(kTwoEpochs + std::string(kEma)), "work");
  const auto expected = averages("work/epoch_2");
  ASSERT_THAT(expected, Not(testing::IsEmpty()));

  EXPECT_TRUE(beginning(kEma, "work/epoch_2") == expected);
  fs::remove_all(path("still"));
  EXPECT_TRUE(beginning(std::string(kFullShard) + kEma, "work/epoch_2") == expected);
  EXPECT_THAT(log_of("still"), HasSubstr("The weights are the checkpoint's averages (\"ema\")."));
  fs::remove_all(path("still"));
  EXPECT_FALSE(beginning("", "work/epoch_2") == expected) << "without the hook";
}

TEST_F(Averages, AreRefusedWhenTheyAreDamaged) {
  const std::string file = config(kThreeIterations + std::string(kValidation) + kEma);
  train(file, "work");
  std::string bytes = read_text(path("work/iter_3/optimizer.safetensors"));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  write_text(path("work/iter_3/optimizer.safetensors"), bytes);

  const Outcome outcome = run_strata({"val", file, "--load-from", "work/iter_3"});

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("is damaged"));
}

TEST_F(Averages, AreWhatIsValidated) {
  const std::string file = config(kTwoEpochs + std::string(kValidation) + kEma);
  train(file, "work");

  const Outcome outcome =
      run_strata({"val", file, "--load-from", "work/epoch_2", "--work-dir", "val"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("The weights are the checkpoint's averages"));
  EXPECT_EQ(series("val", "accuracy").back(), series("work", "accuracy").back());
}

TEST_F(Averages, AreInTheBestCheckpointAndPublished) {
  train(config(kTwoEpochs + std::string(kValidation) + kEma +
               "[default_hooks.checkpoint]\nsave_best = \"accuracy\"\n"
               "published_keys = [\"state_dict\", \"meta\"]\n"),
        "work");

  std::vector<std::string> published;
  std::string best;
  for (const auto& entry : fs::directory_iterator(path("work"))) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("best_accuracy_epoch_") && entry.is_directory()) {
      best = "work/" + name;
    }
    if (name.ends_with(".safetensors")) {
      published.push_back(name);
    }
  }
  EXPECT_THAT(averages(best), Contains(Key("fc1.weight")));
  EXPECT_THAT(tensors(best), Not(Contains(Key("fc1.weight.exp_avg"))));
  EXPECT_THAT(published, testing::SizeIs(2));
  EXPECT_THAT(log_of("work"), HasSubstr("is published to " + path("work").string()));
}

TEST_F(Averages, BeginWithThePresentValuesWhenTheCheckpointHasNone) {
  train(config(std::string(kTwoEpochs), "plain"), "plain");
  const std::string file = config(std::string(kTwoEpochs) + kEma, "averaged");

  const Outcome outcome = train(file, "resumed", {"--resume", "plain/epoch_1"});
  EXPECT_THAT(outcome.out, HasSubstr("EMAHook: the checkpoint was saved without EMAHook"));
  const Outcome strict =
      run_strata({"train",
                  config(std::string(kTwoEpochs) + kEma + "strict_load = true\n"),
                  "--resume",
                  "plain/epoch_1",
                  "--work-dir",
                  "strict"});
  EXPECT_EQ(strict.code, 1);
  EXPECT_THAT(strict.err, HasSubstr("strict_load"));
}

TEST_F(Averages, AreRefusedWhenTheyCannotWork) {
  const auto refused = [&](const std::string& keys) {
    const std::string file =
        config(kThreeIterations + ("[[custom_hooks]]\ntype = \"EMAHook\"\n" + keys));
    const Outcome outcome = run_strata({"train", file});
    EXPECT_EQ(outcome.code, 2) << keys;
    return outcome.err;
  };
  EXPECT_THAT(refused("ema_type = \"Mean\"\n"), HasSubstr("ema_type \"Mean\" is unknown"));
  EXPECT_THAT(refused("ema_type = { type = \"StochasticWeightAverage\", momentum = 0.1 }\n"),
              HasSubstr("has no momentum"));
  EXPECT_THAT(refused("gamma = 10\n"), HasSubstr("gamma belongs to MomentumAnnealingEMA"));
  EXPECT_THAT(refused("momentum = 1.5\n"), HasSubstr("momentum"));
  EXPECT_THAT(
      refused(
          "momentum = 0.1\nema_type = { type = \"ExponentialMovingAverage\", momentum = 0.2 }\n"),
      HasSubstr("momentum stands beside ema_type and in it"));
  EXPECT_THAT(refused("begin_iter = 1\nbegin_epoch = 1\n"), HasSubstr("leave one out"));
}

}  // namespace
}  // namespace strata::test
