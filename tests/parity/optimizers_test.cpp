// Optimizers under sharding: those that are element-wise to the bit, LAMB, whose norms are summed over ranks, nearly.
#include <map>
#include <tuple>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

// Odd widths: shards end inside parameters.
constexpr const char* kOdd =
    R"(type = "MLP", in_features = 20, hidden = [33, 7, 17], num_classes = 5, activation = "gelu")";

struct Case {
  const char* name;
  const char* optimizer;
  double tolerance;  // of a weight, relative to its largest element
};

constexpr Case kCases[] = {
    {"HybridAdam", R"({ type = "HybridAdam", lr = 1e-2, weight_decay = 0.1 })", 0},
    {"Lion", R"({ type = "Lion", lr = 1e-3, weight_decay = 0.1 })", 0},
    {"Adagrad", R"({ type = "Adagrad", lr = 1e-2, initial_accumulator_value = 0.1 })", 0},
    {"Lamb", R"({ type = "LAMB", lr = 1e-2 })", 1e-6},
    {"FusedLamb", R"({ type = "FusedLAMB", lr = 1e-2, use_nvlamb = true })", 1e-6}};

using Param = std::tuple<size_t, int, size_t>;  // case, world, mode

class ShardedOptimizers : public testing::TestWithParam<Param> {
 protected:
  [[nodiscard]] static const Case& which() { return kCases[std::get<0>(GetParam())]; }

  [[nodiscard]] static int world() { return std::get<1>(GetParam()); }

  [[nodiscard]] static EngineRun alone() {
    return {.model = kOdd, .accumulation = world(), .steps = 10, .optimizer = which().optimizer};
  }

  [[nodiscard]] static EngineRun spread() {
    EngineRun run = alone();
    run.accumulation = 1;
    run.world = world();
    run.strategy = all_modes(world()).at(std::get<2>(GetParam())).strategy;
    return run;
  }
};

TEST_P(ShardedOptimizers, EqualOneRank) {
  static std::map<std::pair<size_t, int>, EngineResult> known;
  EngineResult& one = known[{std::get<0>(GetParam()), world()}];
  if (one.losses.empty()) {
    one = run_engine(alone());
  }

  const EngineResult many = run_engine(spread());

  for (const auto& [name, weight] : one.weights) {
    const auto largest = weight.abs().max().item<double>();
    const auto off = (weight - many.weights.at(name)).abs().max().item<double>();
    EXPECT_LE(off, which().tolerance * largest) << name;
  }
}

std::string name_of(const testing::TestParamInfo<Param>& info) {
  const auto [which, world, mode] = info.param;
  return kCases[which].name + all_modes(world).at(mode).name + "On" + std::to_string(world);
}

INSTANTIATE_TEST_SUITE_P(All,
                         ShardedOptimizers,
                         testing::Combine(testing::Range(size_t{0}, std::size(kCases)),
                                          testing::Values(2, 3),
                                          testing::Range(size_t{0}, all_modes(2).size())),
                         name_of);

// Stages 1 and 2 keep half-precision values, which the update writes; stage 3 casts them whenever it gathers.
TEST(WrittenCopies, EqualValuesThatAreCastOnTheWay) {
  const auto run = [](int stage, const char* section) {
    return run_engine(
        {.strategy = std::string("{ type = \"DeepSpeedStrategy\", inputs_to_half = [0], ") +
                     section + " = { enabled = true }, zero_optimization = { stage = " +
                     std::to_string(stage) + " } }",
         .model = kOdd,
         .world = 2,
         .steps = 10,
         .optimizer = R"({ type = "HybridAdam", lr = 1e-2 })"});
  };

  for (const char* section : {"bf16", "fp16"}) {
    const EngineResult cast = run(3, section);
    for (const int stage : {1, 2}) {
      const EngineResult written = run(stage, section);
      EXPECT_EQ(written.losses, cast.losses) << section << ", stage " << stage;
      for (const auto& [name, weight] : cast.weights) {
        EXPECT_TRUE(at::equal(weight, written.weights.at(name))) << section << ' ' << name;
      }
    }
  }
}

}  // namespace
}  // namespace strata::test
