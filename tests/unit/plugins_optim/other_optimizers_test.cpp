// Lion, Adagrad and LAMB against their formulas in long double.
#include <cmath>
#include <functional>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elements.hpp"

namespace strata::test {
namespace {

using Real = long double;
using testing::HasSubstr;

constexpr int kSteps = 3;

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

/// The values after kSteps updates with one gradient.
using Reference = std::function<std::vector<Real>(std::vector<Real> p, const std::vector<Real>& g)>;

/// A reference whose elements know nothing of each other.
Reference element_wise(const std::function<Real(Real p, Real g)>& one) {
  return [one](std::vector<Real> p, const std::vector<Real>& g) {
    for (size_t i = 0; i < p.size(); ++i) {
      p[i] = one(p[i], g[i]);
    }
    return p;
  };
}

Real lion(Real p, Real g) {
  Real m = 0;
  for (int t = 1; t <= kSteps; ++t) {
    const Real blend = Real(0.9) * m + Real(0.1) * g;
    const Real sign = blend > 0 ? 1 : blend < 0 ? -1 : 0;
    p = p * (1 - Real(0.01) * Real(0.1)) - Real(0.01) * sign;
    m = Real(0.99) * m + Real(0.01) * g;
  }
  return p;
}

Real adagrad(Real p, Real g) {
  Real sum = 0.5;
  for (int t = 1; t <= kSteps; ++t) {
    const Real decayed = g + Real(0.1) * p;
    sum += decayed * decayed;
    p -= Real(0.01) / (1 + (t - 1) * Real(0.25)) * decayed / (std::sqrt(sum) + Real(1e-10));
  }
  return p;
}

Real norm(const std::vector<Real>& of) {
  Real sum = 0;
  for (const Real x : of) {
    sum += x * x;
  }
  return std::sqrt(sum);
}

std::vector<Real> lamb(std::vector<Real> p, const std::vector<Real>& g) {
  std::vector<Real> m(p.size());
  std::vector<Real> v(p.size());
  std::vector<Real> way(p.size());
  for (int t = 1; t <= kSteps; ++t) {
    for (size_t i = 0; i < p.size(); ++i) {
      m[i] = Real(0.9) * m[i] + Real(0.1) * g[i];
      v[i] = Real(0.999) * v[i] + Real(0.001) * g[i] * g[i];
      const Real mean = m[i] / (1 - std::pow(Real(0.9), t));
      const Real square = v[i] / (1 - std::pow(Real(0.999), t));
      way[i] = mean / (std::sqrt(square) + Real(1e-6)) + Real(0.01) * p[i];
    }
    const Real trust = norm(p) / norm(way);
    for (size_t i = 0; i < p.size(); ++i) {
      p[i] -= Real(1e-2) * trust * way[i];
    }
  }
  return p;
}

struct Case {
  const char* name;
  const char* plugin;
  const char* type;
  const char* toml;
  bool in_two;
  Reference reference;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"Lion",
       "optimizer_lion",
       "Lion",
       "lr = 0.01\nweight_decay = 0.1",
       false,
       element_wise(lion)},
      {"Adagrad",
       "optimizer_adagrad",
       "Adagrad",
       "lr_decay = 0.25\nweight_decay = 0.1\ninitial_accumulator_value = 0.5",
       false,
       element_wise(adagrad)},
      {"Lamb", "optimizer_lamb", "LAMB", "lr = 0.01", true, lamb},
      {"FusedLamb", "optimizer_lamb", "FusedLAMB", "lr = 0.01", true, lamb},
      {"ColossalLamb",
       "optimizer_lamb",
       "Lamb",
       "lr = 0.01\nbias_correction = true\nweight_decay = 0.01",
       true,
       lamb}};
  return all;
}

struct Types {
  int32_t value;
  int32_t grad;
};

class OtherOptimizers : public testing::TestWithParam<std::tuple<size_t, Types>> {
 protected:
  [[nodiscard]] static const Case& which() { return cases().at(std::get<0>(GetParam())); }

  [[nodiscard]] static Types types() { return std::get<1>(GetParam()); }

  static void step(const border::Object<strata_optimizer_api>& optimizer,
                   const std::vector<strata_optim_chunk>& chunks) {
    which().in_two ? update_in_two(optimizer, chunks) : update(optimizer, chunks);
  }
};

TEST_P(OtherOptimizers, FollowTheirFormula) {
  OptimPlugin plugin(which().plugin);
  const auto optimizer = plugin.create<strata_optimizer_api>(which().type, which().toml);
  for (int64_t n = 1; n <= 67; ++n) {
    ParamMemory problem(n, types().value, types().grad);
    std::vector<Real> p;
    std::vector<Real> g;
    for (int64_t i = 0; i < n; ++i) {
      p.push_back(problem.value.get(i));
      g.push_back(problem.grad.get(i));
    }

    for (int t = 1; t <= kSteps; ++t) {
      step(optimizer, {problem.chunk(0, n, t)});
    }

    const std::vector<Real> wanted = which().reference(p, g);
    for (int64_t i = 0; i < n; ++i) {
      const auto value = static_cast<double>(wanted[static_cast<size_t>(i)]);
      EXPECT_NEAR(
          problem.value.get(i), value, tolerance(types().value) * std::max(1.0, std::abs(value)))
          << "element " << i << " of " << n;
    }
  }
}

TEST_P(OtherOptimizers, DoNotDependOnWhereAParameterIsCut) {
  OptimPlugin plugin(which().plugin);
  const auto optimizer = plugin.create<strata_optimizer_api>(which().type, which().toml);
  ParamMemory whole(67, types().value, types().grad);
  for (int t = 1; t <= kSteps; ++t) {
    step(optimizer, {whole.chunk(0, 67, t)});
  }

  for (int64_t cut = 1; cut < 67; ++cut) {
    ParamMemory parts(67, types().value, types().grad);
    for (int t = 1; t <= kSteps; ++t) {
      step(optimizer, {parts.chunk(0, cut, t), parts.chunk(cut, 67, t)});
    }
    for (int64_t i = 0; i < 67; ++i) {
      const double wanted = whole.value.get(i);
      // The order of a sum's terms changes with the cut.
      const double slack = which().in_two ? tolerance(types().value) * std::abs(wanted) : 0;
      EXPECT_NEAR(parts.value.get(i), wanted, slack) << "element " << i << ", cut at " << cut;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All,
                         OtherOptimizers,
                         testing::Combine(testing::Range(size_t{0}, cases().size()),
                                          testing::Values(Types{STRATA_F32, STRATA_F32},
                                                          Types{STRATA_F64, STRATA_F64},
                                                          Types{STRATA_BF16, STRATA_BF16},
                                                          Types{STRATA_F16, STRATA_F16},
                                                          Types{STRATA_F32, STRATA_BF16})),
                         [](const auto& test) {
                           return std::string(cases().at(std::get<0>(test.param)).name) +
                                  std::to_string(test.index);
                         });

struct Written {
  const char* plugin;
  const char* type;
  const char* toml;
};

class WrittenCopies : public testing::TestWithParam<Written> {};

// As where half-precision values take the place of the gradients they were made from.
TEST_P(WrittenCopies, AreTheNewValuesRoundedAlsoInTheGradientsMemory) {
  OptimPlugin plugin(GetParam().plugin);
  const auto optimizer = plugin.create<strata_optimizer_api>(GetParam().type, GetParam().toml);
  const auto step = [&](const strata_optim_chunk& chunk) {
    const bool in_two = std::string_view(GetParam().type) == "LAMB";
    in_two ? update_in_two(optimizer, {chunk}) : update(optimizer, {chunk});
  };
  for (const int32_t half : {STRATA_BF16, STRATA_F16}) {
    for (const int64_t n : {1, 63, 64, 67, 1000}) {
      ParamMemory plain(n, STRATA_F32, half);
      ParamMemory copying = plain;
      step(plain.chunk(0, n, 1));

      strata_optim_chunk chunk = copying.chunk(0, n, 1);
      chunk.copy = copying.grad.at(0);
      chunk.copy_dtype = half;
      step(chunk);

      EXPECT_EQ(copying.value.bytes, plain.value.bytes);
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(copying.grad.get(i), rounded(half, plain.value.get(i))) << i << " of " << n;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All,
                         WrittenCopies,
                         testing::Values(Written{"optimizer_adam", "HybridAdam", ""},
                                         Written{
                                             "optimizer_sgd", "SGD", "lr = 0.1\nmomentum = 0.9"},
                                         Written{"optimizer_lion", "Lion", ""},
                                         Written{"optimizer_adagrad", "Adagrad", ""},
                                         Written{"optimizer_lamb", "LAMB", ""}),
                         [](const auto& test) { return std::string(test.param.type); });

TEST(Lion, StandsStillWithoutGradientAndMomentum) {
  OptimPlugin plugin("optimizer_lion");
  ParamMemory problem(1, STRATA_F32, STRATA_F32);
  problem.value.set(0, 0.5);
  problem.grad.set(0, 0);

  update(plugin.create<strata_optimizer_api>("Lion"), {problem.chunk(0, 1, 1)});

  EXPECT_EQ(problem.value.get(0), 0.5);
}

TEST(Lion, AGradientThatIsNoNumberSpoilsItsElement) {
  OptimPlugin plugin("optimizer_lion");
  ParamMemory problem(1, STRATA_F32, STRATA_F32);
  problem.grad.set(0, std::nan(""));

  update(plugin.create<strata_optimizer_api>("Lion"), {problem.chunk(0, 1, 1)});

  EXPECT_TRUE(std::isnan(problem.value.get(0)));
}

// DeepSpeed's own lets the decay into the sum of squares and leaves it out of the numerator.
TEST(Adagrad, OfDeepSpeedsNameDecaysAsTorchs) {
  OptimPlugin plugin("optimizer_adagrad");
  ParamMemory torch(67, STRATA_F32, STRATA_F32);
  ParamMemory deepspeed = torch;

  update(plugin.create<strata_optimizer_api>("Adagrad", "weight_decay = 0.5"),
         {torch.chunk(0, 67, 1)});
  update(plugin.create<strata_optimizer_api>("DeepSpeedCPUAdagrad", "weight_decay = 0.5"),
         {deepspeed.chunk(0, 67, 1)});

  EXPECT_EQ(deepspeed.value.bytes, torch.value.bytes);
}

TEST(Lamb, WithoutDecayFusedLambIsAdamUnlessNvlambIsAsked) {
  OptimPlugin plugin("optimizer_lamb");
  OptimPlugin adam_plugin("optimizer_adam");
  ParamMemory fused(67, STRATA_F32, STRATA_F32);
  ParamMemory nvlamb = fused;
  ParamMemory adam = fused;

  update_in_two(plugin.create<strata_optimizer_api>("FusedLAMB", "weight_decay = 0"),
                {fused.chunk(0, 67, 1)});
  update_in_two(
      plugin.create<strata_optimizer_api>("FusedLAMB", "weight_decay = 0\nuse_nvlamb = true"),
      {nvlamb.chunk(0, 67, 1)});
  update(adam_plugin.create<strata_optimizer_api>("Adam", "eps = 1e-6"), {adam.chunk(0, 67, 1)});

  for (int64_t i = 0; i < 67; ++i) {
    EXPECT_NEAR(fused.value.get(i), adam.value.get(i), 1e-6);
  }
  EXPECT_GT(std::abs(nvlamb.value.get(3) - adam.value.get(3)), 1e-5);
}

TEST(Lamb, AParameterOfZerosMovesByTheRateItself) {
  OptimPlugin plugin("optimizer_lamb");
  ParamMemory problem(4, STRATA_F32, STRATA_F32);
  for (int64_t i = 0; i < 4; ++i) {
    problem.value.set(i, 0);
    problem.grad.set(i, 1);
  }

  update_in_two(plugin.create<strata_optimizer_api>("LAMB", "lr = 0.01"), {problem.chunk(0, 4, 1)});

  EXPECT_NEAR(problem.value.get(0), -0.01, 1e-7);
}

TEST(OtherOptimizerConfig, WhatIsNotThereIsRefusedWithTheReason) {
  OptimPlugin lion_plugin("optimizer_lion");
  OptimPlugin adagrad_plugin("optimizer_adagrad");
  OptimPlugin lamb_plugin("optimizer_lamb");
  const auto refusal = [](OptimPlugin& plugin, const char* type, const char* toml) {
    return error_of([&] { (void)plugin.create<strata_optimizer_api>(type, toml); });
  };

  EXPECT_THAT(refusal(lion_plugin, "Lion", "betas = [0.9]"), HasSubstr("betas wants two"));
  EXPECT_THAT(refusal(lion_plugin, "DeepSpeedCPULion", "fp32_optimizer_states = false"),
              HasSubstr("states are fp32"));
  EXPECT_THAT(refusal(adagrad_plugin, "DeepSpeedCPUAdagrad", "amsgrad = true"),
              HasSubstr("amsgrad is of Adam"));
  EXPECT_THAT(refusal(lamb_plugin, "FusedLAMB", "max_grad_norm = 1.0"),
              HasSubstr("optim_wrapper.clip_grad = {max_norm = 1}"));
  EXPECT_THAT(refusal(lamb_plugin, "Lamb", "adam = true"), HasSubstr("take AdamW"));
}

TEST(OtherOptimizerConfig, HasTheDefaultsOfEachLibrary) {
  OptimPlugin lion_plugin("optimizer_lion");
  OptimPlugin lamb_plugin("optimizer_lamb");

  EXPECT_EQ(hypers_of(lion_plugin.create<strata_optimizer_api>("Lion")),
            (std::vector<double>{1e-4, 0, 0.9, 0.99}));
  EXPECT_EQ(hypers_of(lion_plugin.create<strata_optimizer_api>("DeepSpeedCPULion")),
            (std::vector<double>{1e-3, 0, 0.9, 0.999}));
  EXPECT_EQ(hypers_of(lamb_plugin.create<strata_optimizer_api>("FusedLAMB")),
            (std::vector<double>{1e-3, 0.01, 0.9, 0.999, 1e-6}));
  EXPECT_EQ(hypers_of(lamb_plugin.create<strata_optimizer_api>("Lamb")),
            (std::vector<double>{1e-3, 0, 0.9, 0.999, 1e-6}));
}

}  // namespace
}  // namespace strata::test
