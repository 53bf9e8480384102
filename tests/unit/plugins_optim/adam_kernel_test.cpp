// One update of Adam against long double: every pair of element types, every length up to 67, both
// kinds of decay, every instruction set.
#include <cmath>
#include <iostream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/kit/simd.hpp"

#include "elements.hpp"
#include "program.hpp"

namespace strata::test {
namespace {

using Real = long double;
using testing::HasSubstr;

constexpr double kTolerance = 1e-6;  // relative
constexpr Real kLr = 1e-2L;
constexpr Real kDecay = 0.1L;
constexpr Real kBeta1 = 0.9L;
constexpr Real kBeta2 = 0.999L;
constexpr Real kEps = 1e-8L;

struct Case {
  int32_t value;
  int32_t grad;
  bool decoupled;
  bool corrected;
  int64_t step;
  double grad_scale;
};

std::string toml_of(const Case& c) {
  return text("lr = 0.01\nweight_decay = 0.1\nadamw_mode = ",
              c.decoupled ? "true" : "false",
              "\nbias_correction = ",
              c.corrected ? "true" : "false");
}

struct Element {
  Real value;
  Real mean;
  Real square;
};

Element reference(Element e, Real g, const Case& c) {
  const Real correction1 = c.corrected ? 1 - std::pow(kBeta1, Real(c.step)) : 1;
  const Real correction2 = c.corrected ? 1 - std::pow(kBeta2, Real(c.step)) : 1;
  g *= c.grad_scale;
  if (c.decoupled) {
    e.value *= 1 - kLr * kDecay;
  } else {
    g += kDecay * e.value;
  }
  e.mean = kBeta1 * e.mean + (1 - kBeta1) * g;
  e.square = kBeta2 * e.square + (1 - kBeta2) * g * g;
  e.value -= kLr / correction1 * e.mean / (std::sqrt(e.square) / std::sqrt(correction2) + kEps);
  return e;
}

/// Of one sign in each element, so that nothing but the value cancels; every fifth value is 0, which
/// leaves the update itself.
struct Problem {
  Problem(int64_t n, const Case& c)
      : value(n, c.value), grad(n, c.grad), mean(n, STRATA_F32), square(n, STRATA_F32) {
    std::mt19937 random(static_cast<uint32_t>(n));
    std::uniform_real_distribution<double> size(0.5, 2);
    for (int64_t i = 0; i < n; ++i) {
      const double sign = i % 3 == 0 ? -1 : 1;
      value.set(i, i % 5 == 0 ? 0 : sign * size(random));
      grad.set(i, sign * size(random) / c.grad_scale);
      mean.set(i, sign * size(random));
      square.set(i, size(random));
    }
  }

  Element element(int64_t i) { return {value.get(i), mean.get(i), square.get(i)}; }

  strata_optim_chunk chunk(int64_t n, int64_t step) {
    strata_optim_chunk out{};
    out.value = value.at(0);
    out.grad = grad.at(0);
    out.state[0] = mean.at(0);
    out.state[1] = square.at(0);
    out.count = n;
    out.step = step;
    out.value_dtype = value.dtype;
    out.grad_dtype = grad.dtype;
    out.state_dtype = STRATA_F32;
    return out;
  }

  Array value;
  Array grad;
  Array mean;
  Array square;
};

/// A value of few bits is what the reference rounds to, give or take its tolerance before rounding.
void expect_value(double found, double wanted, int32_t dtype, const std::string& where) {
  const double slack = kTolerance * std::abs(wanted);
  EXPECT_GE(found, rounded(dtype, wanted - slack)) << where;
  EXPECT_LE(found, rounded(dtype, wanted + slack)) << where;
}

class AdamKernel : public testing::TestWithParam<Case> {};

// The digest of all bytes written lets runs be compared.
TEST_P(AdamKernel, FollowsItsFormula) {
  const Case& c = GetParam();
  OptimPlugin plugin("optimizer_adam");
  const auto optimizer = plugin.create<strata_optimizer_api>("HybridAdam", toml_of(c));
  uint64_t digest = 0;

  for (int64_t n = 1; n <= 67; ++n) {
    Problem problem(n, c);
    Problem before = problem;

    update(optimizer, {problem.chunk(n, c.step)}, c.grad_scale);

    for (int64_t i = 0; i < n; ++i) {
      const Element wanted = reference(before.element(i), before.grad.get(i), c);
      const std::string where = text("element ", i, " of ", n);
      const auto mean = static_cast<double>(wanted.mean);
      const auto square = static_cast<double>(wanted.square);
      expect_value(problem.value.get(i), static_cast<double>(wanted.value), c.value, where);
      EXPECT_NEAR(problem.mean.get(i), mean, kTolerance * std::abs(mean)) << where;
      EXPECT_NEAR(problem.square.get(i), square, kTolerance * square) << where;
    }
    for (const Array* array : {&problem.value, &problem.mean, &problem.square}) {
      for (const char byte : array->bytes) {
        digest = digest * 1099511628211U + static_cast<unsigned char>(byte);
      }
    }
  }

  std::cout << "bits " << digest << '\n';
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const int32_t value : {STRATA_F32, STRATA_BF16, STRATA_F16}) {
    for (const int32_t grad : {STRATA_F32, STRATA_BF16, STRATA_F16}) {
      for (const bool decoupled : {true, false}) {
        out.push_back({value, grad, decoupled, true, 1, 1});
        out.push_back({value, grad, decoupled, true, 1000, 0.375});
        out.push_back({value, grad, decoupled, false, 3, 1.0 / 1024});
      }
    }
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(AllTypes, AdamKernel, testing::ValuesIn(cases()));

/// This program's kernel tests in another process, in which STRATA_SIMD allows `level`.
Outcome kernels_at(const std::string& level) {
  return run({.args = {"/proc/self/exe", "--gtest_filter=*AdamKernel*:SimdLevel.IsSaid"},
              .env = {{"STRATA_SIMD", level}}});
}

std::vector<std::string> lines_with(const std::string& start, const std::string& all) {
  std::vector<std::string> out;
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(start)) {
      out.push_back(line);
    }
  }
  return out;
}

TEST(SimdLevel, IsSaid) {
  std::cout << "level " << kit::simd_level() << '\n';
}

TEST(SimdLevels, FollowTheFormulaWithTheSameBits) {
  const Outcome base = kernels_at("base");
  const Outcome avx2 = kernels_at("avx2");
  const Outcome avx512 = kernels_at("avx512");

  for (const Outcome* level : {&base, &avx2, &avx512}) {
    EXPECT_EQ(level->code, 0) << level->out;
    EXPECT_EQ(lines_with("bits", level->out), lines_with("bits", base.out));
  }
  EXPECT_EQ(lines_with("bits", base.out).size(), cases().size());
}

TEST(SimdLevels, NeverPassWhatTheVariableAllows) {
  EXPECT_THAT(kernels_at("base").out, HasSubstr("level base\n"));
  EXPECT_THAT(kernels_at("avx2").out, testing::Not(HasSubstr("level avx512\n")));
}

TEST(SimdLevels, RefuseAnUnknownName) {
  const Outcome unknown = kernels_at("avx1024");

  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.out, HasSubstr("STRATA_SIMD is \"avx1024\"; it takes base, avx2, avx512"));
}

}  // namespace
}  // namespace strata::test
