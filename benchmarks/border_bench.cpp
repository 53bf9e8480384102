// What the plugin border and the host's autograd hooks add to a step of a model of 100 small units.
#include <algorithm>
#include <chrono>
#include <vector>

#include <ATen/ops/linear.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <benchmark/benchmark.h>

#include "null_strategy/null_strategy.hpp"
#include "support/plugin_host.hpp"
#include "unit/unit/harness.hpp"
#include "unit/unit/scenario.hpp"

namespace {

using namespace strata;  // NOLINT(google-build-using-namespace): a file of its own
using testing::CellImpl;
using testing::Rank;
using testing::ScenarioModel;

constexpr int kUnits = 100;
constexpr int64_t kWidth = 16;
constexpr int64_t kBatch = 16;

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// Units of a Linear(16, 16) with 1, 2 or 3 parameters: a weight, a bias, a factor of each output.
Shapes shapes_of(int params) {
  const Shapes all = {{"w", {kWidth, kWidth}}, {"b", {kWidth}}, {"s", {kWidth}}};
  return {all.begin(), all.begin() + params};
}

at::Tensor run_cell(CellImpl& cell, const at::Tensor& x, int params) {
  const at::Tensor y =
      params == 1 ? at::linear(x, cell.p("w")) : at::linear(x, cell.p("w"), cell.p("b"));
  return params == 3 ? y.mul(cell.p("s")) : y;
}

std::unique_ptr<Model> chain(int params) {
  return std::make_unique<ScenarioModel>(
      [params](ScenarioModel& m) {
        for (int i = 0; i < kUnits; ++i) {
          m.add(text("u", i), shapes_of(params), [params](CellImpl& c, const at::Tensor& x) {
            return run_cell(c, x, params);
          });
        }
      },
      [](ScenarioModel& m, at::Tensor x) {
        for (int i = 0; i < kUnits; ++i) {
          x = m.cell(text("u", i))(x);
        }
        return x.sum();
      });
}

std::vector<std::pair<std::string, at::Tensor>> batch() {
  return {{"x", at::ones({kBatch, kWidth})}};
}

/// Counts what the null strategy hears.
class CountingStrategy final : public bench::NullStrategy {
 public:
  explicit CountingStrategy(int64_t& calls) : calls_(calls) {}

  void pre_forward(int32_t, const strata_step_ctx&) override { ++calls_; }

  void post_forward(int32_t, const strata_step_ctx&) override { ++calls_; }

  void pre_backward(int32_t, const strata_step_ctx&) override { ++calls_; }

  void post_backward(int32_t, const strata_step_ctx&) override { ++calls_; }

  void unit_grads_ready(int32_t, int32_t, const strata_step_ctx&) override { ++calls_; }

  void grad_ready(int32_t, const strata_step_ctx&) override { ++calls_; }

  void backward_done(const strata_step_ctx&) override { ++calls_; }

 private:
  int64_t& calls_;
};

/// Tells what the host calls this run.
class RuntimeGiver final : public bench::NullStrategy {
 public:
  explicit RuntimeGiver(strata_runtime*& out) : out_(out) {}

  void setup_env(const strata_setup_args&) override { out_ = runtime(); }

 private:
  strata_runtime*& out_;
};

int64_t events_of_a_step() {
  int64_t calls = 0;
  Rank rank(chain(2), std::make_unique<CountingStrategy>(calls));
  rank.backward(batch());
  // iter_begin, pre_step, post_step, iter_end: the loop's, not the harness's.
  constexpr int64_t kAroundIt = 4;
  return calls + kAroundIt;
}

/// One event: host to strategy, in a library of its own.
void event_call(benchmark::State& state) {
  const strata_plugin* plugin = test::open_plugin(STRATA_NULL_STRATEGY);
  const auto strategy = test::make_object<strata_strategy_api>(plugin, "NullStrategy");
  strata_step_ctx facts{};
  facts.h = STRATA_HDR(strata_step_ctx);
  const strata_step_ctx* ctx = &facts;
  int32_t unit = 0;
  for (auto _ : state) {
    strategy.call(&strata_strategy_api::pre_forward, unit, ctx);
    benchmark::DoNotOptimize(++unit);
  }
  state.counters["calls_per_step"] = static_cast<double>(events_of_a_step());
}

/// One mark: model to host. Outside an iteration, where the host does nothing: the call alone.
void mark_call(benchmark::State& state) {
  strata_runtime* runtime = nullptr;
  const Rank rank(chain(2), std::make_unique<RuntimeGiver>(runtime));
  const auto* units = unit::units_service();
  for (auto _ : state) {
    border::check(units->enter(runtime, 1, nullptr, 0));
  }
  state.counters["calls_per_step"] = 2.0 * kUnits;  // enter and leave of each
}

double seconds_of(Rank& rank, const std::vector<std::pair<std::string, at::Tensor>>& input) {
  const auto begin = std::chrono::steady_clock::now();
  rank.backward(input);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// A model with all events and the same with none, timed in turn.
struct Pair {
  explicit Pair(int params)
      : with(chain(params), std::make_unique<bench::NullStrategy>()),
        without(chain(params), std::make_unique<bench::NullStrategy>(0)) {}

  /// Either goes first every other time: the second finds warmer caches.
  double measure(const std::vector<std::pair<std::string, at::Tensor>>& input) {
    const bool with_first = added.size() % 2 == 0;
    const double first = seconds_of(with_first ? with : without, input);
    const double second = seconds_of(with_first ? without : with, input);
    added.push_back(with_first ? first - second : second - first);
    return first + second;
  }

  Rank with;
  Rank without;
  std::vector<double> added;
};

/// Time that events add to forward and backward. It is units x (a + parameters x b): two models
/// give a and b. Medians of differences between neighbours in time: a busy machine does not count.
void autograd_hooks(benchmark::State& state) {
  testing::install_host();
  Pair one(1);
  Pair three(3);
  const auto input = batch();
  for (auto _ : state) {
    state.SetIterationTime(one.measure(input) + three.measure(input));
  }
  constexpr double kMicro = 1e6;
  const double of_one = median(one.added) / kUnits * kMicro;
  const double of_three = median(three.added) / kUnits * kMicro;
  const double per_param = (of_three - of_one) / 2;
  state.counters["us_per_param"] = per_param;
  state.counters["us_per_unit"] = of_one - per_param;
}

BENCHMARK(event_call);
BENCHMARK(mark_call);
BENCHMARK(autograd_hooks)->UseManualTime()->MinTime(3)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
