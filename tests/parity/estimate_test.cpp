// What strategies foretell against what a run uses.
#include <gtest/gtest.h>

#include "comm/world.hpp"
#include "engine_run.hpp"
#include "modes.hpp"
#include "unit/memory.hpp"

namespace strata::test {
namespace {

constexpr double kTolerance = 0.05;

// Large enough that padding, marks and flags do not count.
constexpr const char* kWide =
    R"(type = "MLP", in_features = 20, hidden = [256, 128, 192], num_classes = 5, activation = "gelu")";

void expect_near(int64_t foretold, int64_t measured, const std::string& what) {
  EXPECT_NEAR(static_cast<double>(foretold),
              static_cast<double>(measured),
              kTolerance * static_cast<double>(measured) + 1)
      << what;
}

void expect_foretold(const std::string& name, EngineRun run) {
  const std::string who = name + " on " + std::to_string(run.world) + " ranks, " +
                          std::to_string(run.accumulation) + " micro-batches: ";
  int64_t sent = 0;
  run.model = kWide;
  run.steps = 3;
  run.finally = [&](train::Session& session, train::Engine& engine) {
    const strata_estimate& foretold = engine.foretold().c;
    const unit::Memory& memory = *session.runtime().memory;
    const auto now = [&](const char* tag) { return memory.tag(tag).now; };
    expect_near(foretold.param_bytes, now("param") + now("shard"), who + "parameters");
    expect_near(foretold.grad_bytes, now("grad"), who + "gradients");
    expect_near(foretold.optim_bytes, now("optim"), who + "optimizer state");
    expect_near(engine.foretold().states(), memory.state_bytes(), who + "states");
    const double share =
        static_cast<double>(memory.total().peak) / static_cast<double>(engine.foretold().peak());
    EXPECT_GE(share, 0.7) << who << "peak";
    // In its first backward stage 2 holds all gradients whole.
    EXPECT_LE(share, name.find("Zero2") != std::string::npos ? 1.2 : 1 + kTolerance)
        << who << "peak";
    if (session.world().is_main()) {
      sent = foretold.sent_bytes_per_step;
    }
  };

  const EngineResult result = run_engine(run);

  expect_near(sent, result.bytes_sent.back(), who + "traffic of a step");
}

TEST(Foretold, BytesOfOneDeviceAreThoseOfTheRun) {
  expect_foretold("SingleDeviceStrategy", {.accumulation = 2});
  expect_foretold("DDPStrategy", {.strategy = "DDPStrategy"});
}

TEST(Foretold, BytesOfEveryModeAreThoseOfTheRun) {
  for (const int ranks : {2, 3}) {
    for (const int accumulation : {1, 2}) {
      for (const Mode& mode : all_modes(ranks)) {
        expect_foretold(mode.name,
                        {.strategy = mode.strategy, .world = ranks, .accumulation = accumulation});
      }
      expect_foretold("FlatStrategy",
                      {.strategy = "FlatStrategy", .world = ranks, .accumulation = accumulation});
    }
  }
}

TEST(Foretold, BytesOfLowLevelZeroInBf16AreThoseOfTheRun) {
  for (const char* keys : {"stage = 1",
                           "stage = 2",
                           "stage = 2, cpu_offload = true",
                           "stage = 1, master_weights = false, overlap_allgather = true",
                           "stage = 2, extra_dp_size = 2, communication_dtype = \"fp32\""}) {
    const std::string strategy = std::string(
                                     "{ type = \"ColossalAIStrategy\", plugin = { type = "
                                     "\"LowLevelZeroPlugin\", precision = "
                                     "\"bf16\", reduce_bucket_size_in_m = 0.0007, ") +
                                 keys + " } }";
    expect_foretold(std::string("LowLevelZero2 ") + keys,
                    {.strategy = strategy, .world = 4, .accumulation = 2});
  }
}

// Without momentum SGD keeps nothing, with it one number for each element.
TEST(Foretold, BytesFollowTheOptimizer) {
  for (const char* optimizer :
       {R"({ type = "SGD", lr = 0.1 })", R"({ type = "SGD", lr = 0.1, momentum = 0.9 })"}) {
    expect_foretold(optimizer, {.strategy = "DDPStrategy", .world = 2, .optimizer = optimizer});
  }
}

}  // namespace
}  // namespace strata::test
