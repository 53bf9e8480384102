// Sharding and data parallelism change nothing: the rule of every strategy, here for DDPStrategy and FlatStrategy.
#include <cmath>
#include <fstream>
#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"

namespace strata::test {
namespace {

// Step and micro-batch of the first difference, or nothing.
std::string first_difference(const EngineResult& a, const EngineResult& b) {
  for (size_t step = 0; step < a.losses.size(); ++step) {
    for (size_t micro = 0; micro < a.losses[step].size(); ++micro) {
      if (a.losses[step][micro] != b.losses.at(step).at(micro)) {
        return "step " + std::to_string(step) + ", micro-batch " + std::to_string(micro) +
               ": difference " +
               std::to_string((a.losses[step][micro] - b.losses[step][micro]) * 1e9) + "e-9";
      }
    }
  }
  return {};
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class World : public testing::TestWithParam<int> {};

TEST_P(World, DdpEqualsOneRankThatAccumulatesInRankOrderToTheBit) {
  const int n = GetParam();
  const EngineResult one = run_engine({.accumulation = n});
  const EngineResult many = run_engine({.strategy = "DDPStrategy", .world = n});

  EXPECT_EQ(first_difference(many, one), "");
  for (const auto& [name, weight] : one.weights) {
    EXPECT_TRUE(at::equal(weight, many.weights.at(name))) << name;
  }
}

TEST_P(World, DdpWithSgdMomentumEqualsAccumulationToTheBit) {
  const int n = GetParam();
  const std::string sgd = R"({ type = "SGD", lr = 0.1, momentum = 0.9, weight_decay = 1e-4 })";
  const EngineResult one = run_engine({.accumulation = n, .optimizer = sgd});
  const EngineResult many = run_engine({.strategy = "DDPStrategy", .world = n, .optimizer = sgd});

  EXPECT_EQ(first_difference(many, one), "");
}

TEST_P(World, FlatShardingEqualsDdpToTheBit) {
  const int n = GetParam();
  const EngineResult ddp = run_engine({.strategy = "DDPStrategy", .world = n});
  const EngineResult flat = run_engine({.strategy = "FlatStrategy", .world = n});

  EXPECT_EQ(first_difference(flat, ddp), "");
}

TEST_P(World, DdpIsNearTheJoinedBatch) {
  const int n = GetParam();
  const EngineResult joined = run_engine({.joined = n});
  const EngineResult many = run_engine({.strategy = "DDPStrategy", .world = n});

  for (size_t step = 0; step < joined.losses.size(); ++step) {
    const double expected = joined.losses[step][0];
    EXPECT_NEAR(mean(many.losses[step]), expected, 1e-5 * expected) << "step " << step;
  }
}

TEST_P(World, DdpInFloat64IsTheJoinedBatch) {
  const int n = GetParam();
  const EngineResult joined = run_engine({.joined = n, .dtype = "float64"});
  const EngineResult many = run_engine({.strategy = "DDPStrategy", .world = n, .dtype = "float64"});

  for (size_t step = 0; step < joined.losses.size(); ++step) {
    const double expected = joined.losses[step][0];
    EXPECT_NEAR(mean(many.losses[step]), expected, 1e-9 * expected) << "step " << step;
  }
  for (const auto& [name, weight] : joined.weights) {
    const double distance =
        (weight - many.weights.at(name)).norm().item<double>() / weight.norm().item<double>();
    EXPECT_LT(distance, 1e-9) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, World, testing::Values(1, 2, 3, 4));

TEST(DataParallel, AccumulationOverMicroBatchesSynchronisesOnlyTheLast) {
  const EngineResult one = run_engine({.accumulation = 4, .dtype = "float64"});
  const EngineResult two =
      run_engine({.strategy = "DDPStrategy", .world = 2, .accumulation = 2, .dtype = "float64"});

  for (size_t step = 0; step < one.losses.size(); ++step) {
    for (size_t micro = 0; micro < 4; ++micro) {
      EXPECT_NEAR(two.losses[step][micro], one.losses[step][micro], 1e-9) << "step " << step;
    }
  }
}

TEST(DataParallel, BucketSizeChangesNothing) {
  const EngineResult large = run_engine({.strategy = "DDPStrategy", .world = 3});
  const EngineResult small = run_engine(
      {.strategy =
           R"({ type = "DDPStrategy", model_wrapper = { bucket_cap_mb = 0.0001 }, sync_bn = "torch" })",
       .world = 3});

  EXPECT_EQ(first_difference(small, large), "");
}

TEST(DataParallel, ClippingSeesTheNormOfTheSummedGradients) {
  const std::string clip = "clip_grad = { max_norm = 0.05 }\n";
  const EngineResult one = run_engine({.accumulation = 2, .wrapper = clip});
  const EngineResult two = run_engine({.strategy = "DDPStrategy", .world = 2, .wrapper = clip});

  EXPECT_EQ(first_difference(two, one), "");
  EXPECT_NE(one.losses, run_engine({.accumulation = 2}).losses);
}

// tests/golden/mlp/generate.py made the file with PyTorch.
TEST(DataParallel, LossesArePyTorchs) {
  std::ifstream golden(STRATA_SOURCE_DIR "/tests/golden/mlp/losses.txt");
  std::string header;
  std::getline(golden, header);
  const EngineResult ours = run_engine({});

  for (const auto& losses : ours.losses) {
    double expected = NAN;
    ASSERT_TRUE(golden >> expected);
    EXPECT_NEAR(losses[0], expected, 1e-6 * expected);
  }
}

}  // namespace
}  // namespace strata::test
