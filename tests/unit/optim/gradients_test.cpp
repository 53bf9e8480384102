// Loops over gradients: same bits however cut, all element types; half precision conversions.
#include "optim/gradients.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "strata/kit/float16.hpp"

namespace strata::optim {
namespace {

std::vector<float> noise(size_t n) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& x : out) {
    x = normal(random);
  }
  return out;
}

class PowerSums : public testing::TestWithParam<double> {};

TEST_P(PowerSums, HaveTheSameBitsHoweverTheParameterIsCut) {
  std::vector<float> grads = noise(100);
  PowerSum whole(GetParam());
  whole.add({grads.data(), 100, STRATA_F32}, 0);

  for (int64_t cut = 0; cut <= 100; ++cut) {
    PowerSum parts(GetParam());
    parts.add({grads.data(), cut, STRATA_F32}, 0);
    parts.add({grads.data() + cut, 100 - cut, STRATA_F32}, cut);
    EXPECT_EQ(parts.total(), whole.total()) << "cut at " << cut;
  }
}

TEST_P(PowerSums, AreTheSumsOfPowers) {
  std::vector<float> grads = noise(67);
  PowerSum sum(GetParam());
  sum.add({grads.data(), 67, STRATA_F32}, 0);
  double wanted = 0;
  for (const float g : grads) {
    const double size = std::abs(static_cast<double>(g));
    wanted = std::isinf(GetParam()) ? std::max(wanted, size) : wanted + std::pow(size, GetParam());
  }

  EXPECT_NEAR(sum.total(), wanted, 1e-12 * wanted);
}

INSTANTIATE_TEST_SUITE_P(Orders,
                         PowerSums,
                         testing::Values(1, 2, 3.5, std::numeric_limits<double>::infinity()));

TEST(Gradients, HalvesAreScaledAndLookedAt) {
  std::vector<kit::BFloat16> brain = {kit::to_bfloat16(3), kit::to_bfloat16(-1)};
  std::vector<kit::Half> half = {kit::to_half(3),
                                 kit::to_half(std::numeric_limits<float>::infinity())};

  EXPECT_FALSE(has_nonfinite({brain.data(), 2, STRATA_BF16}));
  EXPECT_TRUE(has_nonfinite({half.data(), 2, STRATA_F16}));
  scale({brain.data(), 2, STRATA_BF16}, 0.5);
  scale({half.data(), 2, STRATA_F16}, 0.5);
  EXPECT_EQ(kit::to_float(brain[0]), 1.5F);
  EXPECT_EQ(kit::to_float(half[0]), 1.5F);
}

TEST(Gradients, ClampMultipliesFirstAndKeepsNaN) {
  std::vector<double> grads = {-6, 1, std::nan(""), 14};

  clamp({grads.data(), 4, STRATA_F64}, 0.5, 1);

  EXPECT_EQ(grads[0], -1);
  EXPECT_EQ(grads[1], 0.5);
  EXPECT_TRUE(std::isnan(grads[2]));
  EXPECT_EQ(grads[3], 1);
}

// --- kit/float16.hpp: every pattern against the definition of the formats

double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  const double fraction = bits & 1023;
  return sign *
         (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

TEST(Float16, EveryFiniteHalfIsReadAsDefinedAndComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00) == 0x7C00) {
      continue;
    }
    const float read = kit::to_float(kit::Half{static_cast<uint16_t>(bits)});
    ASSERT_EQ(static_cast<double>(read), half_value(static_cast<uint16_t>(bits))) << bits;
    ASSERT_EQ(kit::to_half(read).bits, bits);
  }
}

TEST(Float16, HalvesRoundToNearestWithTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {  // between every two neighbours
    const auto low = half_value(static_cast<uint16_t>(bits));
    const auto high = half_value(static_cast<uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(kit::to_half(middle).bits, bits % 2 == 0 ? bits : bits + 1) << bits;
    ASSERT_EQ(kit::to_half(std::nextafter(middle, 0.0F)).bits, bits);
    ASSERT_EQ(kit::to_half(std::nextafter(middle, 1e6F)).bits, bits + 1);
  }
}

TEST(Float16, BeyondTheLargestIsInfinityAndNaNStaysNaN) {
  EXPECT_EQ(kit::to_half(65519.0F).bits, 0x7BFF);
  EXPECT_EQ(kit::to_half(65520.0F).bits, 0x7C00);
  EXPECT_EQ(kit::to_half(-1e30F).bits, 0xFC00);
  EXPECT_TRUE(std::isnan(kit::to_float(kit::to_half(std::nanf("")))));
  EXPECT_TRUE(std::isinf(kit::to_float(kit::Half{0x7C00})));
}

TEST(Float16, BFloat16RoundsToNearestWithTiesToEven) {
  EXPECT_EQ(kit::to_bfloat16(1.0F).bits, 0x3F80);
  EXPECT_EQ(kit::to_bfloat16(1.0F + 0x1p-8F).bits, 0x3F80);      // half way, down to even
  EXPECT_EQ(kit::to_bfloat16(1.0F + 3 * 0x1p-8F).bits, 0x3F82);  // half way, up to even
  EXPECT_EQ(kit::to_bfloat16(1.0F + 0x1p-8F + 0x1p-20F).bits, 0x3F81);
  EXPECT_EQ(kit::to_bfloat16(3.4e38F).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(kit::to_float(kit::to_bfloat16(std::nanf("")))));
}

}  // namespace
}  // namespace strata::optim
