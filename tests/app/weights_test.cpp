// load_from with files of torch.save: the same under every strategy, by revised names, and strictly.
#include <cstring>

#include "checkpoint/pth.hpp"
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class StoredWeights : public Scene {
 protected:
  /// A trained model's weights in weights.pth, each name behind `prefix`.
  void write_weights(const std::string& prefix) const {
    train(config("[train_cfg]\nmax_epochs = 3\n", "first"), "first");
    const auto trained = checkpoint::open_tensors(path("first/epoch_3/model.safetensors"));
    std::vector<checkpoint::TensorSource> tensors;
    std::vector<std::vector<float>> values;
    for (size_t i = 0; i < trained->tensors().size(); ++i) {
      const checkpoint::StoredTensor& t = trained->tensors()[i];
      values.emplace_back(t.elements());
      trained->read(i, 0, t.elements(), values.back().data());
      tensors.push_back({prefix + t.name, t.dtype, t.shape, values.back().data(), {}});
    }
    checkpoint::write_pth(path("weights.pth"), tensors);
  }

  /// The loss of the first iteration.
  double first_loss(const std::string& strategy, int ranks, const std::string& top) const {
    const std::string name = "run" + std::to_string(runs_++);
    const std::string text = top + (strategy.empty() ? "" : "strategy = " + strategy + "\n");
    const Outcome outcome =
        train(config(text + "[train_cfg]\nby_epoch = false\nmax_iters = 1\n", name),
              name,
              {"--nproc", std::to_string(ranks)});
    EXPECT_THAT(outcome.out, Not(HasSubstr("do not match")));
    const std::vector<double> losses = series(name, "loss");
    return losses.empty() ? -1 : losses.front();
  }

  mutable int runs_ = 0;
};

constexpr const char* kLoads = "load_from = \"weights.pth\"\n";

std::string zero_strategy(int stage) {
  return "{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = " + std::to_string(stage) +
         " } }";
}

std::string fsdp_strategy(const std::string& sharding) {
  return R"({ type = "FSDPStrategy", model_wrapper = { sharding_strategy = ")" + sharding +
         R"(", auto_wrap_policy = "always_wrap_policy" } })";
}

TEST_F(StoredWeights, GiveTheSameFirstLossUnderEveryStrategy) {
  write_weights("module.");
  const double alone = first_loss("", 1, kLoads);
  const double initially = first_loss("", 1, "");

  EXPECT_LT(alone, 0.8 * initially);
  EXPECT_EQ(first_loss(fsdp_strategy("FULL_SHARD"), 1, kLoads), alone);
  EXPECT_EQ(first_loss(zero_strategy(3), 1, kLoads), alone);
  const double shared = first_loss("{ type = \"DDPStrategy\" }", 2, kLoads);
  EXPECT_LT(shared, 0.8 * initially);
  for (const char* sharding : {"FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD"}) {
    EXPECT_EQ(first_loss(fsdp_strategy(sharding), 2, kLoads), shared) << sharding;
  }
  for (const int stage : {0, 1, 2, 3}) {
    EXPECT_EQ(first_loss(zero_strategy(stage), 2, kLoads), shared) << stage;
  }
}

TEST_F(StoredWeights, GoByRevisedNames) {
  write_weights("backbone.");
  const std::string strictly =
      std::string(kLoads) + "load_cfg = { strict = true, revise_keys = [['^backbone\\.', '']] }\n";

  const double loss = first_loss("", 1, strictly);

  EXPECT_LT(loss, 0.8 * first_loss("", 1, ""));
}

TEST_F(StoredWeights, ThatDoNotFitAreRefusedStrictlyByEveryRank) {
  write_weights("");
  const std::string file =
      config(std::string(kLoads) +
             "load_cfg = { strict = true }\nstrategy = " + fsdp_strategy("FULL_SHARD") +
             "\n[train_cfg]\nby_epoch = false\nmax_iters = 1\n[model]\nhidden = [8, 8]\n");

  const Outcome outcome = run_strata({"train", file, "--nproc", "2", "--work-dir", "work"});

  EXPECT_EQ(outcome.code, 1) << outcome.out;
  EXPECT_THAT(
      outcome.err,
      AllOf(HasSubstr("run.toml:3:"),
            HasSubstr("weights.pth do not fit the model, and load_cfg.strict asks that they do."),
            HasSubstr("missing in the file: "),
            HasSubstr("of another shape: ")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("Iter(train)")));
}

}  // namespace
}  // namespace strata::test
