// DeepSpeed's schedules under the host's Schedulers, against its own numbers.
#include "optim/schedulers.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi/services.h"

#include "golden.hpp"
#include "optim_host.hpp"

namespace strata::test {
namespace {

using optim::Hyper;
using optim::HyperTable;
using optim::RunLength;
using optim::Schedulers;
using testing::HasSubstr;

constexpr RunLength kTenIters{false, 0, 10, 5};

/// Schedules over Adam's hyper-parameters.
struct Training {
  explicit Training(const std::string& keys,
                    double lr = 1,
                    const RunLength& length = kTenIters,
                    const std::vector<std::vector<double>>& groups = {})
      : table(adam_hypers(lr),
              groups.empty() ? std::vector<std::vector<double>>{{lr, 0.9, 0.999}} : groups),
        config(config::parse_toml("[param_scheduler]\n" + keys, "test.toml")),
        schedulers(config.child("param_scheduler"), factory(), table, length) {}

  static std::vector<Hyper> adam_hypers(double lr) {
    return {
        {"lr", lr, STRATA_HYPER_LR}, {"beta1", 0.9, STRATA_HYPER_MOMENTUM}, {"beta2", 0.999, 0}};
  }

  optim::SchedulerFactory factory() {
    return [this](const config::Value& one) {
      return plugin.create<strata_param_scheduler_api>(one.get<std::string>("type"), one);
    };
  }

  /// The value of the first n updates.
  std::vector<double> values(int n, const std::string& name = "lr") {
    std::vector<double> out = {*table.value(name)};
    for (int i = 1; i < n; ++i) {
      schedulers.step(STRATA_AFTER_ITER, {}, i);
      out.push_back(*table.value(name));
    }
    return out;
  }

  OptimPlugin plugin{"param_scheduler_deepspeed"};
  HyperTable table;
  config::Value config;
  Schedulers schedulers;
};

void expect_near(const std::vector<double>& found,
                 const std::vector<double>& wanted,
                 double relative = 1e-12) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], relative * std::fabs(wanted[i]) + 1e-15) << "update " << i;
  }
}

std::string refusal(const std::string& keys, const std::vector<std::vector<double>>& groups = {}) {
  return error_of([&] {
    Training run(keys, 1, kTenIters, groups);
    run.values(3);
  });
}

// --- values

class ScheduleGolden : public testing::TestWithParam<GoldenCase> {
 protected:
  /// `case NAME TYPE LR JSON`
  ScheduleGolden() {
    std::istringstream words(GetParam().rest);
    std::string type;
    std::string arguments;
    double lr = 0;
    words >> type >> lr;
    std::getline(words, arguments);
    run_ = std::make_unique<Training>(
        "type = \"" + type + "\"\n" + toml_of(nlohmann::json::parse(arguments)), lr);
  }

  [[nodiscard]] static std::vector<double> numbers(const std::string& line) {
    std::vector<double> out;
    for (const std::string& word : GetParam().lines.at(line)) {
      out.push_back(std::stod(word));
    }
    return out;
  }

  std::unique_ptr<Training> run_;
};

TEST_P(ScheduleGolden, GivesTheLearningRatesOfDeepSpeed) {
  const std::vector<double> wanted = numbers("lr");

  expect_near(run_->values(static_cast<int>(wanted.size())), wanted);
}

TEST_P(ScheduleGolden, GivesTheMomentaOfDeepSpeedFromTheSecondUpdateOn) {
  if (!GetParam().lines.contains("momentum")) {
    expect_near(run_->values(3, "beta1"), {.9, .9, .9});
    expect_near(run_->values(3, "beta2"), {.999, .999, .999});
    return;
  }
  std::vector<double> wanted = numbers("momentum");
  const std::vector<double> found = run_->values(static_cast<int>(wanted.size()), "beta1");
  EXPECT_LT(wanted.front(), found.front());  // DeepSpeed begins at the other end than its formula
  wanted.front() = found.front();

  expect_near(found, wanted);
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         ScheduleGolden,
                         testing::ValuesIn(golden_cases("deepspeed_schedulers/values.txt")),
                         [](const auto& test) { return test.param.name; });

TEST(WarmupLR, RisesToWhatIsLeftToItsGroup) {
  expect_near(
      Training("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_max_lr = \"auto\"", 2).values(6),
      Training("type = \"WarmupLR\"\nwarmup_num_steps = 5", 2).values(6));
}

TEST(WarmupDecayLR, TakesTheRunsLengthInUpdates) {
  const RunLength length{false, 0, 20, 5, 2};

  EXPECT_EQ(
      Training(
          "type = \"WarmupDecayLR\"\nwarmup_num_steps = 4\ntotal_num_steps = \"auto\"", 1, length)
          .values(12),
      Training("type = \"WarmupDecayLR\"\nwarmup_num_steps = 4\ntotal_num_steps = 10").values(12));
}

constexpr const char* kCycle =
    "type = \"OneCycle\"\ncycle_min_lr = 0.001\ncycle_max_lr = 0.1\ncycle_first_step_size = 4\n"
    "decay_step_size = 2\ndecay_lr_rate = 0.5\n";

TEST(OneCycle, SetsTheSecondBetaToo) {
  expect_near(Training(kCycle).values(3, "beta2"), {.99, .99, .99}, 0);
}

TEST(OneCycle, BeginsAtItsHighestMomentum) {
  EXPECT_EQ(Training(kCycle).values(1, "beta1").front(), .9);
}

TEST(OneCycle, RefusesAMomentumThatReachesOne) {
  const std::string said =
      error_of([] { Training(std::string(kCycle) + "decay_mom_rate = 1").values(20); });

  EXPECT_THAT(said, HasSubstr("decay_mom_rate"));
}

TEST(OneCycle, LeavesAnOptimizerWithoutBetasAlone) {
  const optim::SchedulerFactory make = [](const config::Value& one) {
    static OptimPlugin plugin("param_scheduler_deepspeed");
    return plugin.create<strata_param_scheduler_api>("OneCycle", one);
  };
  HyperTable sgd({{"lr", 1, STRATA_HYPER_LR}, {"momentum", 0.9, STRATA_HYPER_MOMENTUM}},
                 {{1, 0.9}});
  const config::Value config = config::parse_toml(kCycle, "test.toml");

  const Schedulers schedulers(&config, make, sgd, kTenIters);

  EXPECT_EQ(*sgd.value("lr"), .001);
  EXPECT_EQ(*sgd.value("momentum"), .9);
}

// --- what they count

TEST(DeepSpeedSchedules, StandStillWhileUpdatesAreSkipped) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_type = \"linear\"");
  std::vector<double> found;
  for (const int64_t updates :
       {1, 2, 2, 2, 3, 3, 4}) {  // iterations that end no window, or overflow
    run.schedulers.step(STRATA_AFTER_ITER, {}, updates);
    found.push_back(*run.table.value("lr"));
  }

  expect_near(found, {0, .2, .2, .2, .4, .4, .6}, 1e-12);
}

TEST(DeepSpeedSchedules, DoNotMoveWithEpochs) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 5\nwarmup_type = \"linear\"");
  run.schedulers.step(STRATA_AFTER_ITER, {}, 3);

  run.schedulers.step(STRATA_AFTER_EPOCH, {}, 4);

  EXPECT_NEAR(*run.table.value("lr"), .4, 1e-12);
}

TEST(DeepSpeedSchedules, GoOnAfterTheRunsExpectedLength) {
  EXPECT_EQ(Training("type = \"WarmupLR\"\nwarmup_num_steps = 20\nwarmup_type = \"linear\"")
                .values(21)
                .back(),
            .95);
}

TEST(DeepSpeedSchedules, GoOnWhereTheyWere) {
  Training whole(kCycle);
  const std::vector<double> wanted = whole.values(12);
  Training first(kCycle);
  first.values(6);
  Training second(kCycle);

  EXPECT_TRUE(second.schedulers.load(first.schedulers.save()));

  for (int i = 6; i < 12; ++i) {
    second.schedulers.step(STRATA_AFTER_ITER, {}, i);
    EXPECT_EQ(*second.table.value("lr"), wanted[static_cast<size_t>(i)]) << i;
  }
}

// --- groups

const std::vector<std::vector<double>> kTwoGroups = {{1, 0.9, 0.999}, {0.1, 0.9, 0.999}};

TEST(DeepSpeedSchedules, TakeANumberForEachGroup) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 2\nwarmup_max_lr = [0.5, 0.25]",
               1,
               kTenIters,
               kTwoGroups);
  run.values(4);

  EXPECT_EQ(*run.table.value("lr", 0), .5);
  EXPECT_EQ(*run.table.value("lr", 1), .25);
}

TEST(DeepSpeedSchedules, ByDefaultEachGroupRisesToItsOwn) {
  Training run("type = \"WarmupLR\"\nwarmup_num_steps = 2", 1, kTenIters, kTwoGroups);
  run.values(4);

  EXPECT_EQ(*run.table.value("lr", 1), .1);
  EXPECT_EQ(*run.table.base_lr(), 1);
}

TEST(DeepSpeedSchedules, AListOfTheWrongLengthIsAnErrorAtItsPlace) {
  const std::string said =
      refusal("type = \"WarmupLR\"\nwarmup_max_lr = [0.5, 0.25, 1]", kTwoGroups);

  EXPECT_THAT(said, HasSubstr("test.toml:3"));
  EXPECT_THAT(said,
              HasSubstr("warmup_max_lr has 3 values, and the optimizer has 2 parameter group(s)"));
}

// --- refusals

struct Refusal {
  const char* name;
  const char* keys;
  const char* says;
};

void PrintTo(const Refusal& r, std::ostream* out) {
  *out << r.name;
}

class DeepSpeedScheduleRefusals : public testing::TestWithParam<Refusal> {};

TEST_P(DeepSpeedScheduleRefusals, NameTheField) {
  EXPECT_THAT(refusal(GetParam().keys), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Keys,
    DeepSpeedScheduleRefusals,
    testing::Values(
        Refusal{"NoWarmup",
                "type = \"WarmupLR\"\nwarmup_num_steps = 0",
                "warmup_num_steps must be at least 1"},
        Refusal{
            "UnknownRise", "type = \"WarmupLR\"\nwarmup_type = \"cubic\"", "\"log\" or \"linear\""},
        Refusal{"NoTotal",
                "type = \"WarmupDecayLR\"\ntotal_num_steps = 0",
                "total_num_steps must be at least 1"},
        Refusal{
            "Position", "type = \"WarmupLR\"\nlast_batch_iteration = 7", "last_batch_iteration"},
        Refusal{"NoInterval",
                "type = \"LRRangeTest\"\nlr_range_test_step_size = 0",
                "lr_range_test_step_size"},
        Refusal{
            "NoRise",
            "type = \"OneCycle\"\ncycle_min_lr = 0\ncycle_max_lr = 1\ncycle_first_step_size = 0",
            "cycle_first_step_size"},
        Refusal{
            "NegativeFall",
            "type = \"OneCycle\"\ncycle_min_lr = 0\ncycle_max_lr = 1\ncycle_second_step_size = -1",
            "cycle_second_step_size"}),
    [](const auto& test) { return test.param.name; });

TEST(WarmupDecayLR, OfARunOfUnknownLengthNeedsATotal) {
  const std::string said = error_of([] {
    Training run("type = \"WarmupDecayLR\"\nwarmup_num_steps = 1\ntotal_num_steps = \"auto\"",
                 1,
                 RunLength{false, 0, 0, 0});
    run.values(5);
  });

  EXPECT_THAT(said, HasSubstr("length of the run is not known"));
}

}  // namespace
}  // namespace strata::test
