// Sharding changes nothing: every mode on every number of ranks against one rank that sees the same micro-batches.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <tuple>

#include "engine_run.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

// Odd widths: no parameter divides evenly, and several shards end inside one.
constexpr const char* kOdd = R"(type = "MLP", in_features = 20, hidden = [33, 7, 17], num_classes = 5, activation = "gelu")";
constexpr const char* kAdamW = R"({ type = "AdamW", lr = 1e-2 })";
constexpr const char* kSgd = R"({ type = "SGD", lr = 0.1, momentum = 0.9, weight_decay = 1e-4 })";

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  const double size = b.norm().item<double>();
  return size == 0 ? (a - b).norm().item<double>() : (a - b).norm().item<double>() / size;
}

// A reference is computed once for all modes.
const EngineResult& reference(const EngineRun& run) {
  static std::map<std::tuple<std::string, std::string, std::string, int, int>, EngineResult> known;
  const auto key = std::tuple(run.model, run.dtype, run.optimizer, run.accumulation, run.joined);
  const auto it = known.find(key);
  return it != known.end() ? it->second : known.emplace(key, run_engine(run)).first->second;
}

using Param = std::tuple<int, size_t, const char*>;  // world, mode, optimizer

class Sharding : public testing::TestWithParam<Param> {
 protected:
  [[nodiscard]] static int world() { return std::get<0>(GetParam()); }
  [[nodiscard]] static Mode mode() { return all_modes(world()).at(std::get<1>(GetParam())); }
  [[nodiscard]] static const char* optimizer() { return std::get<2>(GetParam()); }
};

std::string name_of(const testing::TestParamInfo<Param>& info) {
  const auto [world, mode, optimizer] = info.param;
  return all_modes(world).at(mode).name + "On" + std::to_string(world) + (optimizer == kSgd ? "Sgd" : "AdamW");
}

TEST_P(Sharding, EqualsOneRankThatAccumulatesInRankOrderToTheBit) {
  const EngineResult& one = reference({.model = kOdd, .accumulation = world(), .optimizer = optimizer()});
  const EngineResult many =
      run_engine({.strategy = mode().strategy, .model = kOdd, .world = world(), .optimizer = optimizer()});

  EXPECT_EQ(many.losses, one.losses);
  for (const auto& [name, weight] : one.weights) {
    EXPECT_TRUE(at::equal(weight, many.weights.at(name))) << name;
  }
}

TEST_P(Sharding, IsNearTheJoinedBatch) {
  const EngineResult& joined = reference({.model = kOdd, .joined = world(), .optimizer = optimizer()});
  const EngineResult many =
      run_engine({.strategy = mode().strategy, .model = kOdd, .world = world(), .optimizer = optimizer()});

  for (size_t step = 0; step < joined.losses.size(); ++step) {
    EXPECT_NEAR(mean(many.losses[step]), joined.losses[step][0], 1e-5 * joined.losses[step][0]) << "step " << step;
  }
}

TEST_P(Sharding, InFloat64AgreesInLossesUpdatesAndWeights) {
  const EngineResult& joined = reference({.model = kOdd, .joined = world(), .dtype = "float64",
                                          .optimizer = optimizer(), .keep_updates = true});
  const EngineResult many = run_engine({.strategy = mode().strategy, .model = kOdd, .world = world(),
                                        .dtype = "float64", .optimizer = optimizer(), .keep_updates = true});

  ASSERT_EQ(many.updates.size(), joined.updates.size());
  for (size_t step = 0; step < joined.losses.size(); ++step) {
    EXPECT_NEAR(mean(many.losses[step]), joined.losses[step][0], 1e-9 * joined.losses[step][0]) << "step " << step;
    for (const auto& [name, update] : joined.updates[step]) {
      EXPECT_LT(distance(many.updates[step].at(name), update), 1e-9) << name << ", step " << step;
    }
  }
  for (const auto& [name, weight] : joined.weights) {
    EXPECT_LT(distance(many.weights.at(name), weight), 1e-9) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Sharding,
                         testing::Combine(testing::Values(1, 2, 3, 4), testing::Range<size_t>(0, 9),
                                          testing::Values(kAdamW, kSgd)),
                         name_of);

}  // namespace
}  // namespace strata::test
