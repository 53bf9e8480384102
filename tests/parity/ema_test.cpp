// EMAHook under every strategy: the same averages to the bit, seen by forward, and training never the worse for it.
#include <array>
#include <map>
#include <memory>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/lerp.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "engine_run.hpp"
#include "hooks/hook_bus.hpp"
#include "hooks/hook_specs.hpp"
#include "hooks/run_control.hpp"
#include "modes.hpp"

namespace strata::test {
namespace {

constexpr int kSteps = 5;
constexpr const char* kOdd =
    R"(type = "MLP", in_features = 20, hidden = [33, 7, 17], num_classes = 5, activation = "gelu")";

/// A run that stands where it is told to.
class StandingRun final : public hooks::RunControl {
 public:
  explicit StandingRun(comm::World& world) : world_(world) {
    at.h = STRATA_HDR(strata_progress);
    at.max_iters = 1000;
  }

  [[nodiscard]] int32_t rank() const override { return world_.rank(); }

  [[nodiscard]] int32_t world_size() const override { return world_.size(); }

  [[nodiscard]] strata_progress progress() const override { return at; }

  [[nodiscard]] const std::string& work_dir() const override { return nothing_; }

  [[nodiscard]] const std::string& log_dir() const override { return nothing_; }

  [[nodiscard]] const std::string& experiment_name() const override { return nothing_; }

  [[nodiscard]] int64_t seed() const override { return 0; }

  [[nodiscard]] std::optional<double> hyper(std::string_view) override { return {}; }

  [[nodiscard]] std::optional<double> base_lr() override { return {}; }

  void set_sampler_epoch(int64_t) override {}

  void scheduler_step(int32_t) override {}

  void stop_training(std::string_view) override {}

  void save_checkpoint(const hooks::SaveRequest&) override {}

  void refresh_checkpoint(std::string_view, std::string_view) override {}

  void remove_checkpoint(std::string_view, std::string_view) override {}

  std::string publish_checkpoint(std::string_view,
                                 std::string_view,
                                 const std::vector<std::string>&) override {
    return {};
  }

  [[nodiscard]] hooks::LogLine log_after_iter(int64_t, int32_t) override { return {}; }

  [[nodiscard]] hooks::LogLine log_after_epoch(int64_t, int32_t) override { return {}; }

  void add_scalars(const hooks::Scalars&, int64_t) override {}

  strata_progress at{};

 private:
  comm::World& world_;
  std::string nothing_;
};

/// One rank's hook.
struct Averaging {
  explicit Averaging(train::Session& session, const std::string& keys)
      : run(session.world()), table(config::parse_toml("type = \"EMAHook\"\n" + keys, "ema.toml")) {
    session.runtime().run = &run;
    bus.add(session.registry().create<strata_hook_api>(
        STRATA_KIND_HOOK, table, &session.runtime(), hooks::kHostKeys));
    bus.fire(STRATA_POINT_BEFORE_RUN);
    bus.fire(STRATA_POINT_BEFORE_TRAIN);
  }

  void after(int step) {
    run.at.iter = step;
    bus.fire(STRATA_POINT_AFTER_TRAIN_ITER);
  }

  void validate() const {
    bus.fire(STRATA_POINT_BEFORE_VAL_EPOCH);
    bus.fire(STRATA_POINT_AFTER_VAL_EPOCH);
  }

  StandingRun run;
  config::Value table;
  hooks::HookBus bus;
};

/// The run with EMAHook, a validation after each step if asked, and the averages as its weights in the end.
EngineResult averaged(EngineRun run, const std::string& keys, bool validates = false) {
  std::array<std::unique_ptr<Averaging>, 4> ranks;
  const auto rank_of = [&](train::Session& session) -> std::unique_ptr<Averaging>& {
    return ranks.at(static_cast<size_t>(session.world().rank()));
  };
  run.steps = kSteps;
  run.initially = [&](train::Session& session, train::Engine&) {
    rank_of(session) = std::make_unique<Averaging>(session, keys);
  };
  run.after_step = [&](train::Session& session, train::Engine&, int step) {
    rank_of(session)->after(step);
    if (validates) {
      rank_of(session)->validate();
    }
  };
  run.finally = [&](train::Session& session, train::Engine&) {
    rank_of(session)->bus.fire(STRATA_POINT_BEFORE_VAL_EPOCH);
  };
  return run_engine(run);
}

void expect_equal(const EngineResult& a, const EngineResult& b, const std::string& what) {
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (const auto& [name, weight] : a.weights) {
    EXPECT_TRUE(at::equal(weight, b.weights.at(name))) << what << ": " << name;
  }
}

TEST(Ema, IsTorchsLerpOverTheWeightsOfEachStep) {
  std::map<std::string, at::Tensor> expected;
  EngineRun run{.model = kOdd, .steps = kSteps};
  run.after_step = [&](train::Session&, train::Engine& engine, int) {
    for (const auto& [name, weight] : whole_weights(engine)) {
      const auto before = expected.find(name);
      expected[name] =
          before == expected.end() ? weight.clone() : at::lerp(before->second, weight, 0.3);
    }
  };
  run_engine(run);

  const EngineResult result = averaged({.model = kOdd}, "momentum = 0.3");

  expect_equal(result, {.losses = {}, .weights = expected, .updates = {}, .bytes_sent = {}}, "ema");
}

TEST(Ema, IsTheSameUnderEveryStrategyAndLeavesTrainingAlone) {
  const EngineRun alone{.model = kOdd, .accumulation = 2};
  const EngineResult plain = run_engine([&] {
    EngineRun run = alone;
    run.steps = kSteps;
    return run;
  }());
  const EngineResult one = averaged(alone, "momentum = 0.3");
  EXPECT_EQ(one.losses, plain.losses);

  for (const Mode& mode : all_modes(2)) {
    const EngineRun two{.strategy = mode.strategy, .model = kOdd, .world = 2};
    const EngineResult many = averaged(two, "momentum = 0.3", /*validates=*/true);

    EXPECT_EQ(many.losses, one.losses) << mode.name;
    expect_equal(many, one, mode.name);
  }
}

TEST(Ema, OfHalfPrecisionIsOfTheMastersAndIsWhatForwardSees) {
  const std::string fsdp =
      R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy", )"
      R"(mixed_precision = { param_dtype = "bfloat16" }, sharding_strategy = ")";
  const auto zero = [](const std::string& stage) {
    return "{ type = \"DeepSpeedStrategy\", inputs_to_half = [0], bf16 = { enabled = true }, "
           "zero_optimization = { stage = " +
           stage + " } }";
  };
  const auto run = [](const std::string& strategy) {
    return EngineRun{.strategy = strategy, .model = kOdd, .world = 2};
  };
  const EngineResult first = averaged(run(zero("1")), "momentum = 0.3");
  const EngineResult values = averaged(run(zero("1")), "momentum = 0.3\nbegin_iter = 900");
  for (const auto& [name, weight] : first.weights) {
    ASSERT_EQ(weight.scalar_type(), at::kBFloat16);
    EXPECT_FALSE(at::equal(weight, values.weights.at(name))) << name << " is the value";
  }

  for (const char* stage : {"0", "2", "3"}) {
    const EngineResult other = averaged(run(zero(stage)), "momentum = 0.3", /*validates=*/true);
    EXPECT_EQ(other.losses, first.losses) << "stage " << stage;
    expect_equal(other, first, std::string("stage ") + stage);
  }
  const EngineResult full = averaged(run(fsdp + "FULL_SHARD\" } }"), "momentum = 0.3");
  for (const char* sharding : {"SHARD_GRAD_OP", "NO_SHARD"}) {
    expect_equal(averaged(run(fsdp + sharding + "\" } }"), "momentum = 0.3", true), full, sharding);
  }
}

// SHARD_GRAD_OP keeps units gathered between the micro-batches of a window; they have to be gathered anew.
TEST(Ema, IsWhatAPredictionSeesInsideAnAccumulationWindow) {
  const auto prediction = [](const std::string& strategy, bool with_averages) {
    at::Tensor seen;
    std::array<std::unique_ptr<Averaging>, 2> ranks;
    EngineRun run{
        .strategy = strategy, .model = kOdd, .world = 2, .accumulation = 2, .steps = kSteps};
    run.initially = [&](train::Session& session, train::Engine&) {
      ranks.at(static_cast<size_t>(session.world().rank())) =
          std::make_unique<Averaging>(session, "momentum = 0.3");
    };
    run.after_step = [&](train::Session& session, train::Engine&, int step) {
      ranks.at(static_cast<size_t>(session.world().rank()))->after(step);
    };
    run.finally = [&](train::Session& session, train::Engine& engine) {
      const auto batch = [] {
        return unit::Fields{{"img", at::arange(120, at::kFloat).sin().view({6, 20})},
                            {"label", at::arange(6, at::kLong).remainder(5)}};
      };
      engine.stepper().train(batch(), int64_t{2} * kSteps, kSteps);  // the first of two
      if (with_averages) {
        ranks.at(static_cast<size_t>(session.world().rank()))
            ->bus.fire(STRATA_POINT_BEFORE_VAL_EPOCH);
      }
      const unit::Fields out = engine.stepper().predict(batch());
      if (session.world().is_main()) {
        seen = out.at(0).second.clone();
      }
    };
    run_engine(run);
    return seen;
  };
  const at::Tensor expected = prediction("DDPStrategy", true);
  EXPECT_FALSE(at::equal(expected, prediction("DDPStrategy", false)));

  // In a window these add ranks first, micro-batches then: another rounding, one among themselves.
  const at::Tensor ranks_first = prediction(
      R"({ type = "FSDPStrategy", model_wrapper = { auto_wrap_policy = "always_wrap_policy", no_sync = false } })",
      true);
  for (const Mode& mode : all_modes(2)) {
    const bool other_order = mode.name == "Zero2" || mode.name == "Zero3" ||
                             mode.name == "LowLevelZero2" || mode.name.starts_with("Gemini");
    EXPECT_TRUE(at::equal(prediction(mode.strategy, true), other_order ? ranks_first : expected))
        << mode.name;
  }
}

}  // namespace
}  // namespace strata::test
