// Sharding changes nothing: every mode on every number of ranks against one rank that sees the same micro-batches.
#include <functional>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

// Odd widths: no parameter divides evenly, and several shards end inside one.
constexpr const char* kOdd =
    R"(type = "MLP", in_features = 20, hidden = [33, 7, 17], num_classes = 5, activation = "gelu")";
constexpr const char* kAdamW = R"({ type = "AdamW", lr = 1e-2 })";
constexpr const char* kGptAdamW = R"({ type = "AdamW", lr = 1e-4 })";
constexpr const char* kGptSgd =
    R"({ type = "SGD", lr = 0.01, momentum = 0.9, weight_decay = 1e-4 })";
constexpr const char* kSgd = R"({ type = "SGD", lr = 0.1, momentum = 0.9, weight_decay = 1e-4 })";

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The key part of an attention's bias has a true gradient of zero: Adam makes noise of it, so it is left out.
at::Tensor without_key_bias(const at::Tensor& t, const std::string& name) {
  if (!name.ends_with("c_attn.bias")) {
    return t;
  }
  const int64_t width = t.size(0) / 3;
  return at::cat({t.slice(0, 0, width), t.slice(0, 2 * width)});
}

double distance(const at::Tensor& whole_a, const at::Tensor& whole_b, const std::string& name) {
  const at::Tensor a = without_key_bias(whole_a, name);
  const at::Tensor b = without_key_bias(whole_b, name);
  const auto size = b.norm().item<double>();
  return size == 0 ? (a - b).norm().item<double>() : (a - b).norm().item<double>() / size;
}

struct Task {
  const char* name;
  std::string model;
  std::function<unit::Fields(int64_t, int64_t)> batches;
};

// Odd widths: no parameter divides evenly, and several shards end inside one. The vocabulary is a multiple of 4 plus 1,
// the head is tied.
const Task& task(bool gpt2) {
  static const Task mlp = {"Mlp", kOdd, {}};
  static const Task gpt = {
      "Gpt2",
      R"(type = "GPT2", vocab_size = 101, n_positions = 16, n_layer = 4, n_head = 4, n_embd = 128, embd_pdrop = 0, resid_pdrop = 0, attn_pdrop = 0)",
      [](int64_t first, int64_t count) { return token_batches(first, count, 2, 16, 101); }};
  return gpt2 ? gpt : mlp;
}

// A reference is computed once for all modes.
const EngineResult& reference(const EngineRun& run) {
  static std::map<std::tuple<std::string, std::string, std::string, int, int>, EngineResult> known;
  const auto key = std::tuple(run.model, run.dtype, run.optimizer, run.accumulation, run.joined);
  const auto it = known.find(key);
  return it != known.end() ? it->second : known.emplace(key, run_engine(run)).first->second;
}

using Param = std::tuple<bool, int, size_t, const char*>;  // GPT-2, world, mode, optimizer

class Sharding : public testing::TestWithParam<Param> {
 protected:
  [[nodiscard]] static int world() { return std::get<1>(GetParam()); }

  // One rank that stands for the world: as many micro-batches, accumulated or joined.
  [[nodiscard]] static EngineRun alone(const std::string& dtype) {
    const Task& t = task(std::get<0>(GetParam()));
    return {.model = t.model,
            .dtype = dtype,
            .optimizer = std::get<3>(GetParam()),
            .batches = t.batches};
  }

  [[nodiscard]] static EngineRun spread(const std::string& dtype) {
    EngineRun run = alone(dtype);
    run.strategy = all_modes(world()).at(std::get<2>(GetParam())).strategy;
    run.world = world();
    return run;
  }
};

std::string name_of(const testing::TestParamInfo<Param>& info) {
  const auto [gpt2, world, mode, optimizer] = info.param;
  return all_modes(world).at(mode).name + "On" + std::to_string(world) +
         (std::string_view(optimizer).find("SGD") != std::string_view::npos ? "Sgd" : "AdamW");
}

TEST_P(Sharding, EqualsAccumulationInRankOrderToTheBitAndIsNearTheJoinedBatch) {
  EngineRun accumulating = alone("float32");
  accumulating.accumulation = world();
  EngineRun joining = alone("float32");
  joining.joined = world();
  const EngineResult& one = reference(accumulating);
  const EngineResult& joined = reference(joining);

  const EngineResult many = run_engine(spread("float32"));

  EXPECT_EQ(many.losses, one.losses);
  for (const auto& [name, weight] : one.weights) {
    EXPECT_TRUE(at::equal(weight, many.weights.at(name))) << name;
  }
  for (size_t step = 0; step < joined.losses.size(); ++step) {
    EXPECT_NEAR(mean(many.losses[step]), joined.losses[step][0], 1e-5 * joined.losses[step][0])
        << "step " << step;
  }
}

TEST_P(Sharding, InFloat64AgreesInLossesUpdatesAndWeights) {
  EngineRun joining = alone("float64");
  joining.joined = world();
  joining.keep_updates = true;
  EngineRun spreading = spread("float64");
  spreading.keep_updates = true;
  const EngineResult& joined = reference(joining);

  const EngineResult many = run_engine(spreading);

  ASSERT_EQ(many.updates.size(), joined.updates.size());
  for (size_t step = 0; step < joined.losses.size(); ++step) {
    EXPECT_NEAR(mean(many.losses[step]), joined.losses[step][0], 1e-9 * joined.losses[step][0])
        << "step " << step;
    for (const auto& [name, update] : joined.updates[step]) {
      EXPECT_LT(distance(many.updates[step].at(name), update, name), 1e-9)
          << name << ", step " << step;
    }
  }
  for (const auto& [name, weight] : joined.weights) {
    EXPECT_LT(distance(many.weights.at(name), weight, name), 1e-9) << name;
  }
}

// DDP, FSDP, DeepSpeed and the example in all combinations; ColossalAI's modes in most.
constexpr size_t kFull = 10;
const size_t kAll = all_modes(1).size();

INSTANTIATE_TEST_SUITE_P(Mlp,
                         Sharding,
                         testing::Combine(testing::Values(false),
                                          testing::Values(1, 2, 3, 4),
                                          testing::Range<size_t>(0, kFull),
                                          testing::Values(kAdamW, kSgd)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Gpt2,
                         Sharding,
                         testing::Combine(testing::Values(true),
                                          testing::Values(1, 2, 3, 4),
                                          testing::Range<size_t>(0, kFull),
                                          testing::Values(kGptAdamW, kGptSgd)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(MlpColossalAi,
                         Sharding,
                         testing::Combine(testing::Values(false),
                                          testing::Values(1, 2, 3, 4),
                                          testing::Range<size_t>(kFull, kAll),
                                          testing::Values(kAdamW, kSgd)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Gpt2ColossalAi,
                         Sharding,
                         testing::Combine(testing::Values(true),
                                          testing::Values(1, 2, 3, 4),
                                          testing::Range<size_t>(kFull, kAll),
                                          testing::Values(kGptAdamW)),
                         name_of);

}  // namespace
}  // namespace strata::test
