// Batch norm over 2 and 3 ranks that are threads, against one rank that sees the joined batch.
#include <ostream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "strata/torch/batch_norm.hpp"

#include "../unit/unit/harness.hpp"
#include "border/runtime.hpp"
#include "support/parameter_memory.hpp"
#include "support/ranks.hpp"

namespace strata::testing {
namespace {

constexpr int64_t kChannels = 4;

// Values far from zero: squares minus squared mean would lose most digits in float32.
at::Tensor batch_of(int rank, at::ScalarType dtype) {
  const at::Generator g = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(rank + 1));
  return (at::randn({rank + 2, kChannels, 3, 3}, g, at::kDouble) * (rank + 1) + 100.0 + rank)
      .to(dtype);
}

// What the loss weighs each output by; differs from element to element, or gradients of norms
// vanish.
at::Tensor weights_of(const at::Tensor& x) {
  return at::sin(x.to(at::kDouble) * 3.0).to(x.scalar_type());
}

struct Result {
  at::Tensor y, dx, dweight, dbias, mean, var;
};

Result run(BatchNorm2dImpl& norm, const at::Tensor& input) {
  give_memory(norm);
  {
    const at::NoGradGuard no_grad;
    norm.weight.copy_(at::arange(1, kChannels + 1));
    norm.bias.copy_(at::arange(kChannels) * 0.5);
  }
  const at::Tensor x = input.clone().requires_grad_(true);
  const at::Tensor y = norm.forward(x);
  (y * weights_of(input)).sum().backward();
  return {y.detach(),
          x.grad(),
          norm.weight.grad(),
          norm.bias.grad(),
          norm.running_mean,
          norm.running_var};
}

struct WorldCase {
  int world;
  at::ScalarType dtype;
  double tolerance;
};

void PrintTo(const WorldCase& c, std::ostream* out) {
  *out << c.world << " ranks, " << c.dtype;
}

class SyncBatchNorm : public ::testing::TestWithParam<WorldCase> {};

TEST_P(SyncBatchNorm, EqualsOneRankWithTheJoinedBatch) {
  const WorldCase c = GetParam();
  install_host();
  std::vector<at::Tensor> inputs;
  inputs.reserve(static_cast<size_t>(c.world));
  for (int rank = 0; rank < c.world; ++rank) {
    inputs.push_back(batch_of(rank, c.dtype));
  }
  BatchNorm2dImpl joined(kChannels, {.dtype = at::kDouble});
  const Result expected = run(joined, at::cat(inputs).to(at::kDouble));
  std::vector<Result> results(static_cast<size_t>(c.world));

  test::run_ranks(c.world, [&](comm::World& world) {
    strata_runtime rt;
    rt.comm = &world;
    rt.batch_norm_group = world.world();
    BatchNorm2dImpl norm(kChannels, {.dtype = c.dtype});
    norm.bind(&rt);
    const auto rank = static_cast<size_t>(world.rank());
    results[rank] = run(norm, inputs[rank]);
  });

  std::vector<at::Tensor> y, dx;
  at::Tensor dweight = at::zeros_like(expected.dweight);
  at::Tensor dbias = at::zeros_like(expected.dbias);
  const auto near = [&](const at::Tensor& got, const at::Tensor& want) {
    return ((got.to(at::kDouble) - want).norm() / want.norm()).item<double>();
  };
  for (const Result& r : results) {
    y.push_back(r.y);
    dx.push_back(r.dx);
    dweight += r.dweight;
    dbias += r.dbias;
    EXPECT_LE(near(r.mean, expected.mean), c.tolerance);
    EXPECT_LE(near(r.var, expected.var), c.tolerance);
    EXPECT_TRUE(r.mean.equal(results[0].mean) && r.var.equal(results[0].var)) << "ranks differ";
  }
  EXPECT_LE(near(at::cat(y), expected.y), c.tolerance);
  EXPECT_LE(near(at::cat(dx), expected.dx), c.tolerance);
  EXPECT_LE(near(dweight, expected.dweight), c.tolerance);
  EXPECT_LE(near(dbias, expected.dbias), c.tolerance);
}

INSTANTIATE_TEST_SUITE_P(Worlds,
                         SyncBatchNorm,
                         ::testing::Values(WorldCase{2, at::kDouble, 1e-10},
                                           WorldCase{3, at::kDouble, 1e-10},
                                           WorldCase{2, at::kFloat, 2e-5},
                                           WorldCase{3, at::kFloat, 2e-5}));

TEST(SyncBatchNorm, StaysAloneInEvaluationAndInAGroupOfOne) {
  install_host();
  const at::Tensor x = batch_of(0, at::kFloat);
  BatchNorm2dImpl plain(kChannels);
  const Result expected = run(plain, x);

  test::run_ranks(1, [&](comm::World& world) {
    strata_runtime rt;
    rt.comm = &world;
    rt.batch_norm_group = world.world();
    BatchNorm2dImpl norm(kChannels);
    norm.bind(&rt);
    EXPECT_TRUE(run(norm, x).y.equal(expected.y));
  });
  // Only one of two ranks evaluates: were it collective, the rank would wait for the other in vain.
  test::run_ranks(2, [&](comm::World& world) {
    strata_runtime rt;
    rt.comm = &world;
    rt.batch_norm_group = world.world();
    BatchNorm2dImpl norm(kChannels);
    norm.bind(&rt);
    give_memory(norm);
    norm.eval();
    if (world.rank() == 1) {
      EXPECT_EQ(norm.forward(x).sizes(), x.sizes());
    }
  });
}

}  // namespace
}  // namespace strata::testing
