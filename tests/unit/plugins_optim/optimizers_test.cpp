// Optimizers against a reference in long double, for every element type, odd lengths and odd
// addresses.
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "elements.hpp"

namespace strata::test {
namespace {

using Real = long double;

/// One element over `steps` updates with the same gradient.
using Reference = std::function<Real(Real value, Real grad, int steps)>;

Real adamw_reference(Real p, Real g, int steps) {
  Real m = 0;
  Real v = 0;
  for (int t = 1; t <= steps; ++t) {
    p *= 1 - Real(1e-3) * Real(1e-2);
    m = Real(0.9) * m + Real(0.1) * g;
    v = Real(0.999) * v + Real(0.001) * g * g;
    const Real correction1 = 1 - std::pow(Real(0.9), t);
    const Real correction2 = 1 - std::pow(Real(0.999), t);
    p -= Real(1e-3) * (m / correction1) / (std::sqrt(v / correction2) + Real(1e-8));
  }
  return p;
}

Real sgd_reference(Real p, Real g, int steps) {
  Real velocity = 0;
  for (int t = 1; t <= steps; ++t) {
    const Real decayed = g + Real(0.01) * p;
    velocity = t == 1 ? decayed : Real(0.9) * velocity + decayed;
    p -= Real(0.1) * velocity;
  }
  return p;
}

/// Relative, of one rounding of the value and what three updates may add.
double tolerance(int32_t dtype) {
  switch (dtype) {
    case STRATA_F64:
      return 1e-14;
    case STRATA_F32:
      return 1e-6;
    case STRATA_F16:
      return 3 * 0x1p-11;
    default:
      return 3 * 0x1p-8;
  }
}

struct Types {
  int32_t value;
  int32_t grad;
};

class Optimizers : public testing::TestWithParam<Types> {
 protected:
  void expect_reference(const border::Object<strata_optimizer_api>& optimizer,
                        const Reference& reference) {
    for (int64_t n = 1; n <= 67; ++n) {
      ParamMemory problem(n, GetParam().value, GetParam().grad);
      ParamMemory before = problem;

      for (int step = 1; step <= 3; ++step) {
        update(optimizer, {problem.chunk(0, n, step)});
      }

      for (int64_t i = 0; i < n; ++i) {
        const Real p = read_element(before.value.at(i), GetParam().value);
        const Real g = read_element(before.grad.at(i), GetParam().grad);
        const auto wanted = static_cast<double>(reference(p, g, 3));
        EXPECT_NEAR(read_element(problem.value.at(i), GetParam().value),
                    wanted,
                    tolerance(GetParam().value) * std::max(1.0, std::abs(wanted)));
      }
    }
  }

  void expect_same_bits_when_cut(const border::Object<strata_optimizer_api>& optimizer) {
    const int64_t n = 67;
    ParamMemory whole(n, GetParam().value, GetParam().grad);
    for (int step = 1; step <= 3; ++step) {
      update(optimizer, {whole.chunk(0, n, step)});
    }
    for (int64_t cut = 1; cut < n; ++cut) {
      ParamMemory parts(n, GetParam().value, GetParam().grad);
      for (int step = 1; step <= 3; ++step) {
        update(optimizer, {parts.chunk(0, cut, step), parts.chunk(cut, n, step)});
      }
      EXPECT_EQ(parts.value.bytes, whole.value.bytes) << "cut at " << cut;
    }
  }
};

TEST_P(Optimizers, AdamWFollowsItsFormula) {
  OptimPlugin plugin("optimizer_adam");
  expect_reference(plugin.create<strata_optimizer_api>("AdamW"), adamw_reference);
}

TEST_P(Optimizers, SgdFollowsItsFormula) {
  OptimPlugin plugin("optimizer_sgd");
  expect_reference(
      plugin.create<strata_optimizer_api>("SGD", "lr = 0.1\nmomentum = 0.9\nweight_decay = 0.01"),
      sgd_reference);
}

TEST_P(Optimizers, AdamGivesTheSameBitsHoweverItIsCut) {
  OptimPlugin plugin("optimizer_adam");
  expect_same_bits_when_cut(
      plugin.create<strata_optimizer_api>("Adam", "weight_decay = 0.1\namsgrad = true"));
}

TEST_P(Optimizers, SgdGivesTheSameBitsHoweverItIsCut) {
  OptimPlugin plugin("optimizer_sgd");
  expect_same_bits_when_cut(
      plugin.create<strata_optimizer_api>("SGD", "lr = 0.1\nmomentum = 0.9\nnesterov = true"));
}

INSTANTIATE_TEST_SUITE_P(Types,
                         Optimizers,
                         testing::Values(Types{STRATA_F32, STRATA_F32},
                                         Types{STRATA_F64, STRATA_F64},
                                         Types{STRATA_BF16, STRATA_BF16},
                                         Types{STRATA_F16, STRATA_F16},
                                         Types{STRATA_F32, STRATA_BF16},
                                         Types{STRATA_F32, STRATA_F16},
                                         Types{STRATA_BF16, STRATA_F32}));

TEST(OptimizerBlocks, LongChunksOfHalvesPassThroughSeveralBlocks) {
  OptimPlugin plugin("optimizer_adam");
  const auto optimizer = plugin.create<strata_optimizer_api>("AdamW");
  ParamMemory whole(2500, STRATA_BF16, STRATA_BF16);
  ParamMemory parts = whole;

  update(optimizer, {whole.chunk(0, 2500, 1)});
  update(optimizer, {parts.chunk(0, 700, 1), parts.chunk(700, 2500, 1)});

  EXPECT_EQ(parts.value.bytes, whole.value.bytes);
}

TEST(OptimizerScale, GradScaleMultipliesGradientsFirst) {
  OptimPlugin plugin("optimizer_sgd");
  const auto optimizer = plugin.create<strata_optimizer_api>("SGD", "lr = 0.5");
  ParamMemory problem(1, STRATA_F32, STRATA_F32);
  write_element(problem.value.at(0), STRATA_F32, 1.0);
  write_element(problem.grad.at(0), STRATA_F32, 3.0);

  update(optimizer, {problem.chunk(0, 1, 1)}, 0.25);

  EXPECT_EQ(read_element(problem.value.at(0), STRATA_F32), 1 - 0.5 * 0.75);
  EXPECT_EQ(read_element(problem.grad.at(0), STRATA_F32), 3.0);
}

TEST(OptimizerConfig, RefusesWhatCannotTrain) {
  OptimPlugin adam("optimizer_adam");
  OptimPlugin sgd("optimizer_sgd");

  EXPECT_NE(error_of([&] {
              (void)adam.create<strata_optimizer_api>("AdamW", "betas = [0.9]");
            }).find("betas"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              (void)adam.create<strata_optimizer_api>("Adam", "betas = [1.0, 0.9]");
            }).find("[0, 1)"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              (void)sgd.create<strata_optimizer_api>("SGD", "lr = 1\nnesterov = true");
            }).find("momentum"),
            std::string::npos);
}

TEST(OptimizerConfig, AdamDecaysLessThanAdamWByDefault) {
  OptimPlugin plugin("optimizer_adam");

  EXPECT_EQ(hypers_of(plugin.create<strata_optimizer_api>("AdamW")),
            (std::vector<double>{1e-3, 1e-2, 0.9, 0.999, 1e-8}));
  EXPECT_EQ(hypers_of(plugin.create<strata_optimizer_api>("Adam")),
            (std::vector<double>{1e-3, 0, 0.9, 0.999, 1e-8}));
}

TEST(OptimizerConfig, OtherLibrariesNamesOfAdamHaveTheirDefaults) {
  OptimPlugin plugin("optimizer_adam");

  for (const char* name : {"HybridAdam", "CPUAdam", "FusedAdam", "DeepSpeedCPUAdam"}) {
    EXPECT_EQ(hypers_of(plugin.create<strata_optimizer_api>(name)),
              (std::vector<double>{1e-3, 0, 0.9, 0.999, 1e-8}))
        << name;
  }
}

TEST(OptimizerConfig, OtherLibrariesNamesOfAdamAreAdamWOrAdamByTheirMode) {
  OptimPlugin plugin("optimizer_adam");
  const auto after_three = [&](const char* type, const char* toml) {
    ParamMemory problem(67, STRATA_F32, STRATA_F32);
    const auto optimizer = plugin.create<strata_optimizer_api>(type, toml);
    for (int step = 1; step <= 3; ++step) {
      update(optimizer, {problem.chunk(0, 67, step)});
    }
    return problem.value.bytes;
  };
  const auto adamw = after_three("AdamW", "weight_decay = 0.1");
  const auto adam = after_three("Adam", "weight_decay = 0.1");

  for (const char* name : {"HybridAdam", "CPUAdam", "FusedAdam", "DeepSpeedCPUAdam"}) {
    EXPECT_EQ(after_three(name, "weight_decay = 0.1"), adamw) << name;
    EXPECT_EQ(after_three(name, "weight_decay = 0.1\nadamw_mode = false"), adam) << name;
  }
  EXPECT_EQ(after_three("FusedAdam", "weight_decay = 0.1\nadam_w_mode = false"), adam);
}

TEST(OptimizerConfig, WhatOtherLibrariesNamesPromiseAndIsNotThereIsRefused) {
  OptimPlugin plugin("optimizer_adam");
  const auto refusal = [&](const char* type, const char* toml) {
    return error_of([&] { (void)plugin.create<strata_optimizer_api>(type, toml); });
  };

  EXPECT_NE(refusal("HybridAdam", "nvme_offload_fraction = 0.5").find("states stay in memory"),
            std::string::npos);
  EXPECT_NE(refusal("DeepSpeedCPUAdam", "fp32_optimizer_states = false").find("states are fp32"),
            std::string::npos);
  EXPECT_EQ(refusal("CPUAdam", "nvme_offload_fraction = 0.0\nnvme_offload_dir = \"/tmp\""), "");
}

}  // namespace
}  // namespace strata::test
