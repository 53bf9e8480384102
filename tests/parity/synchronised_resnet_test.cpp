// MMResNet50 with batch norm over all ranks against one rank that sees the joined batch: loss, gradients, statistics.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine_run.hpp"

namespace strata::test {
namespace {

using Named = std::map<std::string, at::Tensor>;

struct OneStep {
  double loss = 0;  // mean over ranks
  Named gradients;  // flat
  Named buffers;    // of rank 0
};

// In fp32 a rounding moves about one in a million activations over the edge of its ReLU, and a single one changes its
// layer's gradient by 1e-3. With norms that lift what they scale to 3 standard deviations above 0, hardly any is near.
void lift_norms(train::Session&, train::Engine& engine) {
  for (const unit::Param& p : engine.model().params()) {
    if (p.tensor.dim() == 1 && p.name.ends_with(".bias") && !p.name.starts_with("fc.")) {
      p.tensor.detach().fill_(3.0);
    }
  }
}

void keep(train::Engine& engine, OneStep& out) {
  for (const unit::NamedBuffer& b : engine.model().buffers()) {
    out.buffers[b.name] = b.tensor.detach().clone();
  }
  engine.updater()->for_each_state([&](const optim::StateSlice& s) {
    const auto type = s.dtype == STRATA_F64 ? at::kDouble : at::kFloat;
    out.gradients[std::string(s.param)] = at::from_blob(s.data, {s.count}, type).clone();
  });
}

// Learning nothing, so that the momentum is the first step's gradient.
OneStep run_step(EngineRun run) {
  OneStep out;
  run.steps = 1;
  run.model = R"(type = "MMResNet50", num_classes = 10)";
  run.shape = {3, 64, 64};
  run.samples = 4;
  run.optimizer = R"({ type = "SGD", lr = 0.0, momentum = 0.9 })";
  run.finally = [&out](train::Session& session, train::Engine& engine) {
    if (session.world().rank() == 0) {
      keep(engine, out);
    }
  };
  const auto losses = run_engine(run).losses.at(0);
  out.loss =
      std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  return out;
}

double distance(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor e = expected.to(at::kDouble);
  return ((got.to(at::kDouble) - e).norm() / e.norm().clamp_min(1e-30)).item<double>();
}

/// The largest distance, and whose it is.
std::pair<double, std::string> worst(const Named& got, const Named& expected) {
  std::pair<double, std::string> out = {0.0, ""};
  for (const auto& [name, tensor] : expected) {
    out = std::max(out, {distance(got.at(name), tensor), name});
  }
  return out;
}

/// With scale and shift of each norm as one tensor. The shift of a lifted one may have a true gradient of 0: where all
/// ReLUs are open, the next norm takes a constant away.
Named norms_joined(const Named& gradients) {
  Named out;
  for (const auto& [name, tensor] : gradients) {
    const std::string module = name.substr(0, name.rfind('.'));
    const bool of_norm = gradients.contains(module + ".bias") && module != "fc";
    at::Tensor& joined = out[of_norm ? module : name];
    joined = joined.defined() ? at::cat({joined, tensor}) : tensor;
  }
  return out;
}

class SynchronisedResNet50 : public testing::TestWithParam<int> {};

TEST_P(SynchronisedResNet50, IsTheJoinedBatchInFloat64) {
  const int world = GetParam();
  const OneStep joined = run_step({.joined = world, .dtype = "float64"});
  const OneStep ranks = run_step({.strategy = R"({ type = "DDPStrategy", sync_bn = "torch" })",
                                  .world = world,
                                  .dtype = "float64"});

  ASSERT_EQ(joined.gradients.size(), 161);
  ASSERT_EQ(joined.buffers.size(), 159);
  EXPECT_NEAR(ranks.loss / joined.loss, 1.0, 1e-12);
  const auto [gradient, of] = worst(ranks.gradients, joined.gradients);
  EXPECT_LE(gradient, 1e-10) << of;
  const auto [statistic, buffer] = worst(ranks.buffers, joined.buffers);
  EXPECT_LE(statistic, 1e-12) << buffer;
}

TEST_P(SynchronisedResNet50, IsNearTheJoinedBatchInFloat32) {
  const int world = GetParam();
  const OneStep joined = run_step({.joined = world, .initially = &lift_norms});
  const OneStep ranks = run_step({.strategy = R"({ type = "DDPStrategy", sync_bn = "torch" })",
                                  .world = world,
                                  .initially = &lift_norms});

  EXPECT_NEAR(ranks.loss / joined.loss, 1.0, 1e-6);
  const auto [gradient, of] = worst(norms_joined(ranks.gradients), norms_joined(joined.gradients));
  EXPECT_LE(gradient, 1e-4) << of;
  const auto [statistic, buffer] = worst(ranks.buffers, joined.buffers);
  EXPECT_LE(statistic, 1e-5) << buffer;
}

INSTANTIATE_TEST_SUITE_P(Worlds, SynchronisedResNet50, testing::Values(2, 3));

TEST(UnsynchronisedResNet50, IsFarFromTheJoinedBatch) {
  const OneStep joined = run_step({.joined = 2});
  const OneStep ranks = run_step({.strategy = "DDPStrategy", .world = 2});

  EXPECT_GT(worst(ranks.gradients, joined.gradients).first, 1e-2);
  EXPECT_GT(worst(ranks.buffers, joined.buffers).first, 1e-3);
}

}  // namespace
}  // namespace strata::test
