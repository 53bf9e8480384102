// Optimizers against a reference in long double, for every element type, odd lengths and odd
// addresses.
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "strata/kit/float16.hpp"

#include "optim_host.hpp"

namespace strata::test {
namespace {

using Real = long double;

double read_element(const char* at, int32_t dtype) {
  switch (dtype) {
    case STRATA_F64: {
      double out = 0;
      std::memcpy(&out, at, sizeof(out));
      return out;
    }
    case STRATA_F32: {
      float out = 0;
      std::memcpy(&out, at, sizeof(out));
      return static_cast<double>(out);
    }
    default: {
      uint16_t bits = 0;
      std::memcpy(&bits, at, sizeof(bits));
      return static_cast<double>(dtype == STRATA_F16 ? kit::to_float(kit::Half{bits})
                                                     : kit::to_float(kit::BFloat16{bits}));
    }
  }
}

void write_element(char* at, int32_t dtype, double value) {
  const auto narrow = static_cast<float>(value);
  if (dtype == STRATA_F64) {
    std::memcpy(at, &value, sizeof(value));
  } else if (dtype == STRATA_F32) {
    std::memcpy(at, &narrow, sizeof(narrow));
  } else {
    const uint16_t bits =
        dtype == STRATA_F16 ? kit::to_half(narrow).bits : kit::to_bfloat16(narrow).bits;
    std::memcpy(at, &bits, sizeof(bits));
  }
}

size_t width_of(int32_t dtype) {
  return dtype == STRATA_F64 ? 8 : dtype == STRATA_F32 ? 4 : 2;
}

/// Memory of n elements that begins one element past an aligned address.
struct Array {
  Array(int64_t n, int32_t type)
      : dtype(type), bytes((static_cast<size_t>(n) + 1) * width_of(type)) {}

  [[nodiscard]] char* at(int64_t i) {
    return bytes.data() + (static_cast<size_t>(i) + 1) * width_of(dtype);
  }

  int32_t dtype;
  std::vector<char> bytes;
};

/// One parameter, its gradient and its states.
struct Problem {
  Problem(int64_t n, int32_t value_dtype, int32_t grad_dtype)
      : count(n),
        value(n, value_dtype),
        grad(n, grad_dtype),
        states(3, Array(n, value_dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32)) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    for (int64_t i = 0; i < n; ++i) {
      write_element(value.at(i), value_dtype, normal(random));
      write_element(grad.at(i), grad_dtype, normal(random));
    }
  }

  [[nodiscard]] strata_optim_chunk chunk(int64_t from, int64_t to, int64_t step) {
    strata_optim_chunk out{};
    out.value = value.at(from);
    out.grad = grad.at(from);
    for (size_t i = 0; i < states.size(); ++i) {
      out.state[i] = states[i].at(from);
    }
    out.count = to - from;
    out.step = step;
    out.value_dtype = value.dtype;
    out.grad_dtype = grad.dtype;
    out.state_dtype = states[0].dtype;
    return out;
  }

  int64_t count;
  Array value;
  Array grad;
  std::vector<Array> states;
};

std::vector<double> hypers_of(const border::Object<strata_optimizer_api>& optimizer) {
  strata_optimizer_caps caps = {STRATA_HDR(strata_optimizer_caps), nullptr, 0, nullptr, 0};
  optimizer.call(&strata_optimizer_api::describe, &caps);
  std::vector<double> out;
  for (uint64_t i = 0; i < caps.n_hypers; ++i) {
    out.push_back(caps.hypers[i].value);
  }
  return out;
}

void update(const border::Object<strata_optimizer_api>& optimizer,
            const std::vector<strata_optim_chunk>& chunks,
            double grad_scale = 1) {
  const std::vector<double> hypers = hypers_of(optimizer);
  const strata_optim_step_args args = {STRATA_HDR(strata_optim_step_args),
                                       chunks.data(),
                                       chunks.size(),
                                       hypers.data(),
                                       hypers.size(),
                                       grad_scale,
                                       nullptr};
  optimizer.call(&strata_optimizer_api::step, &args);
}

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
      Problem problem(n, GetParam().value, GetParam().grad);
      Problem before = problem;

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
    Problem whole(n, GetParam().value, GetParam().grad);
    for (int step = 1; step <= 3; ++step) {
      update(optimizer, {whole.chunk(0, n, step)});
    }
    for (int64_t cut = 1; cut < n; ++cut) {
      Problem parts(n, GetParam().value, GetParam().grad);
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
  Problem whole(2500, STRATA_BF16, STRATA_BF16);
  Problem parts = whole;

  update(optimizer, {whole.chunk(0, 2500, 1)});
  update(optimizer, {parts.chunk(0, 700, 1), parts.chunk(700, 2500, 1)});

  EXPECT_EQ(parts.value.bytes, whole.value.bytes);
}

TEST(OptimizerScale, GradScaleMultipliesGradientsFirst) {
  OptimPlugin plugin("optimizer_sgd");
  const auto optimizer = plugin.create<strata_optimizer_api>("SGD", "lr = 0.5");
  Problem problem(1, STRATA_F32, STRATA_F32);
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

}  // namespace
}  // namespace strata::test
