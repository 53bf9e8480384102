// Reductions in rank order and the half types' conversions.
#include "strata/kit/reduce.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "strata/cpp/dtype.hpp"
#include "strata/kit/float16.hpp"

namespace strata::kit {
namespace {

template <class T>
std::vector<T> reduce(const std::vector<std::vector<T>>& ranks, int32_t dtype, int32_t op) {
  std::vector<const std::byte*> rows;
  rows.reserve(ranks.size());
  for (const auto& rank : ranks) {
    rows.push_back(reinterpret_cast<const std::byte*>(rank.data()));
  }
  std::vector<T> out(ranks[0].size());
  reduce_rows(
      rows, reinterpret_cast<std::byte*>(out.data()), static_cast<int64_t>(out.size()), dtype, op);
  return out;
}

TEST(ReduceRows, AddsFloatsFromTheFirstRankToTheLast) {
  // (1 + 1e8) - 1e8 loses the 1 in float; 1e8 - 1e8 + 1 would keep it.
  EXPECT_EQ(reduce<float>({{1}, {1e8F}, {-1e8F}}, STRATA_F32, STRATA_SUM), std::vector<float>{0});
  EXPECT_EQ(reduce<float>({{1e8F}, {-1e8F}, {1}}, STRATA_F32, STRATA_SUM), std::vector<float>{1});
}

TEST(ReduceRows, RoundsHalvesOnceAtTheEnd) {
  // 2048 + 1 + 1: each addition alone rounds back to 2048 in binary16.
  const uint16_t big = to_half(2048).bits;
  const uint16_t one = to_half(1).bits;

  EXPECT_EQ(reduce<uint16_t>({{big}, {one}, {one}}, STRATA_F16, STRATA_SUM)[0], to_half(2050).bits);
  EXPECT_EQ(
      reduce<uint16_t>({{to_bfloat16(256).bits}, {to_bfloat16(1).bits}, {to_bfloat16(1).bits}},
                       STRATA_BF16,
                       STRATA_SUM)[0],
      to_bfloat16(258).bits);
}

TEST(ReduceRows, GivesTheSameBitsWhereverAnArrayIsCut) {
  std::vector<std::vector<float>> ranks(5, std::vector<float>(3001));
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    for (size_t i = 0; i < ranks[rank].size(); ++i) {
      ranks[rank][i] = std::sin(static_cast<float>(i * 7 + rank * 131)) *
                       std::pow(10.F, static_cast<float>(rank));
    }
  }

  const std::vector<float> whole = reduce(ranks, STRATA_F32, STRATA_SUM);

  for (size_t i = 0; i < whole.size(); ++i) {
    float expected = ranks[0][i];
    for (size_t rank = 1; rank < ranks.size(); ++rank) {
      expected += ranks[rank][i];
    }
    ASSERT_EQ(std::bit_cast<uint32_t>(whole[i]), std::bit_cast<uint32_t>(expected)) << i;
  }
}

TEST(ReduceRows, WrapsIntegersAround) {
  EXPECT_EQ(
      reduce<int32_t>({{std::numeric_limits<int32_t>::max()}, {1}}, STRATA_I32, STRATA_SUM)[0],
      std::numeric_limits<int32_t>::min());
  EXPECT_EQ(reduce<uint8_t>({{200}, {100}}, STRATA_U8, STRATA_SUM)[0], 44);
}

TEST(ReduceRows, KnowsSignedFromUnsigned) {
  EXPECT_EQ(reduce<int8_t>({{-1}, {1}}, STRATA_I8, STRATA_MAX)[0], 1);
  EXPECT_EQ(reduce<uint8_t>({{255}, {1}}, STRATA_U8, STRATA_MAX)[0], 255);
  EXPECT_EQ(reduce<int64_t>({{-5}, {3}}, STRATA_I64, STRATA_MIN)[0], -5);
  EXPECT_EQ(reduce<uint8_t>({{1}, {1}}, STRATA_BOOL, STRATA_SUM)[0], 1);
}

TEST(ReduceRows, LetsANaNWinMaxAndMinFromAnyRank) {
  const double nan = std::nan("");

  EXPECT_TRUE(std::isnan(reduce<double>({{nan}, {1}}, STRATA_F64, STRATA_MAX)[0]));
  EXPECT_TRUE(std::isnan(reduce<double>({{1}, {nan}}, STRATA_F64, STRATA_MIN)[0]));
}

TEST(ReduceRows, RefusesWhatIsNoTypeOrOperation) {
  const std::vector<std::vector<float>> one = {{1}};

  EXPECT_THROW(reduce(one, 99, STRATA_SUM), Error);
  EXPECT_THROW(reduce(one, STRATA_F32, 7), Error);
}

TEST(Dtype, HasItsSizeAndNameAlsoAtCompileTime) {
  static_assert(size_of(STRATA_BOOL) == 1 && size_of(STRATA_U8) == 1 && size_of(STRATA_I8) == 1);
  static_assert(size_of(STRATA_F16) == 2 && size_of(STRATA_BF16) == 2);
  static_assert(size_of(STRATA_I32) == 4 && size_of(STRATA_F32) == 4);
  static_assert(size_of(STRATA_I64) == 8 && size_of(STRATA_F64) == 8);
  EXPECT_STREQ(dtype_name(STRATA_BF16), "bf16");
  EXPECT_STREQ(dtype_name(STRATA_I64), "i64");
}

TEST(Dtype, OfAnUnknownNumberIsAnErrorNotAGuess) {
  for (const int32_t unknown : {-1, 2, 8, 99}) {
    EXPECT_THROW(static_cast<void>(size_of(unknown)), Error) << unknown;
    EXPECT_STREQ(dtype_name(unknown), "?");
  }
}

TEST(Half, ComesBackFromFloatForEveryBitPatternThatIsNoNaN) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    if ((bits & 0x7FFFU) <= 0x7C00U) {
      ASSERT_EQ(to_half(to_float(Half{static_cast<uint16_t>(bits)})).bits, bits);
    }
  }
}

TEST(Half, HasTheValuesOfTheStandard) {
  EXPECT_EQ(to_float(Half{0x3C00}), 1.0F);
  EXPECT_EQ(to_float(Half{0x0001}), std::ldexp(1.F, -24));
  EXPECT_EQ(to_float(Half{0x0400}), std::ldexp(1.F, -14));
  EXPECT_EQ(to_float(Half{0xFBFF}), -65504.0F);
  EXPECT_EQ(to_float(Half{0x7C00}), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(to_float(Half{0x7E00})));
}

TEST(Half, RoundsTiesToEvenAndOverflowsToInfinity) {
  EXPECT_EQ(to_half(2049).bits, to_half(2048).bits);
  EXPECT_EQ(to_half(2051).bits, to_half(2052).bits);
  EXPECT_EQ(to_half(65519.F).bits, 0x7BFF);
  EXPECT_EQ(to_half(65520.F).bits, 0x7C00);
  EXPECT_EQ(to_half(std::ldexp(1.F, -25)).bits, 0);  // half a step: to even, zero
  EXPECT_EQ(to_half(std::ldexp(1.5F, -25)).bits, 1);
  EXPECT_EQ(to_half(std::nanf("")).bits & 0x7FFF, 0x7E00);
}

TEST(BFloat16, RoundsTiesToEven) {
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F808000U)).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F818000U)).bits, 0x3F82);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F808001U)).bits, 0x3F81);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::nanf("")))));
}

}  // namespace
}  // namespace strata::kit
