// kit/simd.hpp and kit/element_blocks.hpp: the instruction set changes the speed and nothing else.
#include "strata/kit/simd.hpp"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "strata/kit/float16.hpp"

namespace strata::kit {
namespace {

/// What an optimizer's loop is made of: fused and plain products, roots, quotients, halves.
struct Body {
  const float* a;
  const float* b;
  float* out;
  size_t count;

  [[gnu::always_inline]] void operator()() const {
    for (size_t i = 0; i < count; ++i) {
      const float fused = __builtin_fmaf(a[i], b[i], a[i]);
      const float plain = a[i] * b[i] + a[i];
      out[i] = (fused + to_float(to_half(plain))) /
               (std::sqrt(std::fabs(plain)) + to_float(to_bfloat16(b[i])));
    }
  }
};

TEST(Simd, GivesTheBitsOfThePlainLoop) {
  const size_t n = 10007;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> a(n);
  std::vector<float> b(n);
  for (size_t i = 0; i < n; ++i) {
    a[i] = normal(random);
    b[i] = normal(random);
  }
  std::vector<float> plain(n);
  std::vector<float> wide(n);

  Body{a.data(), b.data(), plain.data(), n}();
  simd(Body{a.data(), b.data(), wide.data(), n});

  EXPECT_EQ(plain, wide);
}

}  // namespace
}  // namespace strata::kit
