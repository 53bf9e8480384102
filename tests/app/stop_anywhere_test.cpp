// A run that is stopped after any update and resumed has the losses of one that was never stopped.
#include <algorithm>
#include <random>

#include "scene.hpp"
#include "stored_tensors.hpp"

namespace strata::test {
namespace {

struct Case {
  const char* name;
  const char* strategy;
  int ranks;
  int accumulation;
  int workers;
  bool by_epoch;
};

constexpr int kSeeds = 20;
constexpr int kIters = 30;

constexpr const char* kFsdp =
    R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy", sharding_strategy = ")";

std::string fsdp(const std::string& rest) {
  return kFsdp + rest + " } }";
}

std::string zero(int stage) {
  return "{ type = \"DeepSpeedStrategy\", zero_optimization = { stage = " + std::to_string(stage) +
         " } }";
}

std::string colossalai(const std::string& plugin) {
  return R"({ type = "ColossalAIStrategy", plugin = { type = ")" + plugin +
         R"(", precision = "bf16", max_norm = 0.5 } })";
}

class StopAnywhere : public Scene, public testing::WithParamInterface<Case> {
 protected:
  /// Shuffled data, dropout, a schedule, clipping; a checkpoint after every update.
  [[nodiscard]] static std::string text(const Case& c, const std::string& strategy) {
    const std::string counts = std::to_string(c.accumulation);
    return "strategy = " + strategy + R"(
[model]
type = "GPT2"
vocab_size = 13
n_positions = 8
n_layer = 2
n_head = 2
n_embd = 8
embd_pdrop = 0.1
resid_pdrop = 0.1
attn_pdrop = 0.1
[train_dataloader]
batch_size = 2
num_workers = )" +
           std::to_string(c.workers) + R"(
sampler = { type = "DefaultSampler", shuffle = true }
dataset = { type = "RandomTokens", size = 47, seq_len = 8, vocab_size = 13 }
[param_scheduler]
type = "LinearLR"
by_epoch = false
end = 20
[optim_wrapper]
optimizer = { type = "AdamW", lr = 1e-2 }
)" + (strategy.find("ColossalAI") == std::string::npos ? "clip_grad = { max_norm = 0.5 }\n" : "") +
           "accumulative_counts = " + counts + R"(
[default_hooks]
logger = { interval = 1 }
checkpoint = { by_epoch = false, interval = )" +
           counts + R"( }
[log_processor]
window_size = 1
[randomness]
seed = 5
[train_cfg]
)" +
           (c.by_epoch ? "max_epochs = 3\n"
                       : "by_epoch = false\nmax_iters = " + std::to_string(kIters) + "\n");
  }

  [[nodiscard]] static std::string strategy(const Case& c) {
    const std::string name = c.strategy;
    if (name.starts_with("Zero")) {
      return zero(name.back() - '0');
    }
    if (name.ends_with("Plugin")) {
      return colossalai(name);
    }
    if (name == "HYBRID_SHARD") {
      return fsdp(name + "\", device_mesh = [1, " + std::to_string(c.ranks) + "]");
    }
    return name.find('_') != std::string::npos ? fsdp(name + "\"") : "{ type = \"" + name + "\" }";
  }

  [[nodiscard]] static std::vector<std::string> ranks(const Case& c) {
    return c.ranks > 1 ? std::vector<std::string>{"--nproc", std::to_string(c.ranks)}
                       : std::vector<std::string>{};
  }

  [[nodiscard]] std::vector<int> saved_iterations() const {
    std::vector<int> out;
    for (const auto& entry : fs::directory_iterator(path("whole"))) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("iter_")) {
        out.push_back(std::stoi(name.substr(5)));
      }
    }
    std::ranges::sort(out);
    return out;
  }
};

TEST_P(StopAnywhere, HasTheLossesOfTheRunThatWasNotStopped) {
  const Case& c = GetParam();
  write_text(path("run.toml"), text(c, strategy(c)));
  train("run.toml", "whole", ranks(c));
  const std::vector<double> all = series("whole", "loss");
  const std::vector<int> saved = saved_iterations();
  ASSERT_GE(saved.size(), 8U);

  for (int seed = 0; seed < kSeeds; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const int stop = saved[random() % (saved.size() - 1)];
    const std::string from = "whole/iter_" + std::to_string(stop);
    const std::string work = "resumed_" + std::to_string(seed);
    std::vector<std::string> more = ranks(c);
    more.insert(more.end(),
                {"--resume", from, "--cfg-options", "default_hooks.checkpoint.interval=1000"});
    train("run.toml", work, more);

    const std::vector<double> tail = series(work, "loss");
    ASSERT_EQ(tail.size(), all.size() - static_cast<size_t>(stop)) << from;
    EXPECT_TRUE(std::ranges::equal(tail, std::span(all).last(tail.size())))
        << from << ": " << testing::PrintToString(tail) << " is no end of "
        << testing::PrintToString(all);
    const std::string last = "iter_" + std::to_string(saved.back());
    EXPECT_EQ(differences(path("whole") / last, path(work) / last), "") << from;
    fs::remove_all(path(work));
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies,
                         StopAnywhere,
                         testing::Values(Case{"Single", "SingleDeviceStrategy", 1, 1, 2, true},
                                         Case{"Ddp", "DDPStrategy", 2, 2, 1, false},
                                         Case{"FullShard", "FULL_SHARD", 2, 1, 0, true},
                                         Case{"ShardGradOp", "SHARD_GRAD_OP", 2, 3, 1, false},
                                         Case{"NoShard", "NO_SHARD", 2, 2, 2, true},
                                         Case{"HybridShard", "HYBRID_SHARD", 3, 1, 0, false},
                                         Case{"Zero0", "Zero0", 2, 2, 0, false},
                                         Case{"Zero1", "Zero1", 3, 1, 1, true},
                                         Case{"Zero2", "Zero2", 2, 2, 1, false},
                                         Case{"Zero3", "Zero3", 2, 1, 2, true},
                                         Case{"LowLevelZero", "LowLevelZeroPlugin", 2, 2, 1, false},
                                         Case{"Gemini", "GeminiPlugin", 2, 1, 0, true}),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace strata::test
