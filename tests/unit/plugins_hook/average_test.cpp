// Averages against MMEngine's formulas as torch computes them, to the bit.
#include "average.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/sub.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::hook_ema {
namespace {

using Kind = AverageRule::Kind;
using testing::ElementsAre;

// Numbers of all sizes, from a formula.
at::Tensor numbers(int64_t count, at::ScalarType dtype, uint32_t salt) {
  const at::Tensor out = at::empty({count}, at::TensorOptions().dtype(at::kDouble));
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = static_cast<uint32_t>(i + 1) * 2654435761U + salt;
    out.mutable_data_ptr<double>()[i] = std::ldexp(static_cast<double>(bits) / 4294967296.0 - 0.5,
                                                   static_cast<int>(bits >> 27) - 16);
  }
  return out.to(dtype);
}

int32_t code(at::ScalarType dtype) {
  return dtype == at::kDouble ? STRATA_F64 : dtype == at::kFloat ? STRATA_F32 : STRATA_BF16;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

struct Case {
  double weight;
  at::ScalarType dtype;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "weight " << c.weight << ", " << c.dtype;
}

class Average : public testing::TestWithParam<Case> {};

TEST_P(Average, IsTorchsLerpToTheBitAtAnyLength) {
  for (const int64_t count : {1, 7, 8, 15, 16, 33, 1000, 1024, 4097}) {
    const at::Tensor average = numbers(count, GetParam().dtype, 1);
    const at::Tensor value = numbers(count, GetParam().dtype, 77);
    const at::Tensor expected = at::lerp(average, value, GetParam().weight);

    blend(average.mutable_data_ptr(),
          value.const_data_ptr(),
          count,
          code(GetParam().dtype),
          {GetParam().weight, true});

    EXPECT_TRUE(same_bits(average, expected)) << count << " elements";
  }
}

INSTANTIATE_TEST_SUITE_P(Each,
                         Average,
                         testing::Values(Case{0.0002, at::kFloat},
                                         Case{0.3, at::kFloat},
                                         Case{0.5, at::kFloat},
                                         Case{0.99, at::kFloat},
                                         Case{0.0002, at::kDouble},
                                         Case{0.7, at::kDouble},
                                         Case{0.1, at::kBFloat16},
                                         Case{0.9, at::kBFloat16}));

// avg.add_(src - avg, alpha)
TEST(StochasticAverage, IsTorchsAddToTheBit) {
  for (const double alpha : {1.0, 0.5, 1.0 / 3, 1.0 / 1000}) {
    const at::Tensor average = numbers(1003, at::kFloat, 1);
    const at::Tensor value = numbers(1003, at::kFloat, 77);
    const at::Tensor expected = at::add(average, at::sub(value, average), alpha);

    blend(average.mutable_data_ptr(), value.const_data_ptr(), 1003, STRATA_F32, {alpha, false});

    EXPECT_TRUE(same_bits(average, expected)) << alpha;
  }
}

TEST(Blend, DoesNotDependOnHowValuesAreCut) {
  const at::Tensor whole = numbers(1000, at::kFloat, 1);
  const at::Tensor cut = whole.clone();
  const at::Tensor value = numbers(1000, at::kFloat, 77);
  const Blend how{0.2, true};

  blend(whole.mutable_data_ptr(), value.const_data_ptr(), 1000, STRATA_F32, how);
  for (int64_t at = 0, n = 1; at < 1000; at += n, n = std::min<int64_t>(n + 1, 1000 - at)) {
    blend(
        cut.mutable_data_ptr<float>() + at, value.const_data_ptr<float>() + at, n, STRATA_F32, how);
  }

  EXPECT_TRUE(same_bits(cut, whole));
}

std::vector<double> weights(const AverageRule& rule, int64_t steps) {
  std::vector<double> out;
  for (int64_t i = 1; i <= steps; ++i) {
    const auto how = rule.next(i);
    out.push_back(how ? how->weight : 0);
  }
  return out;
}

TEST(AverageRule, WeighsAsMMEngineDoes) {
  const AverageRule ema{Kind::kExponential, 0.25, 100, 1};
  const AverageRule annealing{Kind::kAnnealing, 0.25, 2, 1};  // max(momentum, 2 / (2 + steps))
  const AverageRule stochastic{Kind::kStochastic, 0, 100, 1};

  EXPECT_THAT(weights(ema, 3), ElementsAre(0.25, 0.25, 0.25));
  EXPECT_THAT(weights(annealing, 7),
              ElementsAre(2.0 / 3, 2.0 / 4, 2.0 / 5, 2.0 / 6, 2.0 / 7, 0.25, 0.25));
  EXPECT_THAT(weights(stochastic, 3), ElementsAre(1.0 / 2, 1.0 / 3, 1.0 / 4));
}

TEST(AverageRule, LeavesOutWhatLiesBetweenIntervals) {
  const AverageRule stochastic{Kind::kStochastic, 0, 100, 3};

  EXPECT_THAT(weights(stochastic, 7), ElementsAre(0, 0, 1.0 / 2, 0, 0, 1.0 / 3, 0));
}

}  // namespace
}  // namespace strata::hook_ema
