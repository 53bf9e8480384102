// Accuracy: counts, ties, padding, sums over ranks.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/sinks.hpp"
#include "support/sample_host.hpp"

namespace strata::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using MetricObject = border::Object<strata_metric_api>;

class AccuracyMetric : public testing::Test {
 protected:
  MetricObject make(const std::string& config = "{}") {
    return plugin.create<strata_metric_api>("Accuracy", config);
  }

  /// logits: rows of `classes`; the output is called `name`.
  static void process(const MetricObject& metric,
                      strata_tensor logits,
                      strata_tensor labels,
                      int64_t valid,
                      const char* name = "logits") {
    const strata_named_tensor batch = {border::view("label"), &labels};
    const strata_named_tensor output = {border::view(name), &logits};
    const strata_metric_batch args = {
        STRATA_HDR(strata_metric_batch), &batch, 1, &output, 1, valid};
    metric.call(&strata_metric_api::process, &args);
  }

  static strata_tensor logits_of(int64_t classes, const std::vector<float>& values) {
    return make_tensor(
        STRATA_F32, {static_cast<int64_t>(values.size()) / classes, classes}, values);
  }

  static strata_tensor labels_of(const std::vector<int64_t>& values) {
    return make_tensor(STRATA_I64, {static_cast<int64_t>(values.size())}, values);
  }

  static std::vector<double> state_of(const MetricObject& metric) {
    const border::NumberSink sink;
    metric.call(&strata_metric_api::state, sink.c());
    std::vector<double> out;
    for (const auto& [name, value] : sink.items()) {
      out.push_back(value);
    }
    return out;
  }

  static border::Numbers compute(const MetricObject& metric, const std::vector<double>& state) {
    const border::NumberSink sink;
    metric.call(&strata_metric_api::compute, state.data(), uint64_t{state.size()}, sink.c());
    return sink.items();
  }

  static border::Numbers result(const MetricObject& metric) {
    return compute(metric, state_of(metric));
  }

  PluginFile plugin{"metric_accuracy"};
};

TEST_F(AccuracyMetric, IsThePercentageOfHits) {
  const MetricObject metric = make();

  process(metric, logits_of(3, {9, 1, 1, 1, 9, 1, 1, 1, 9, 9, 1, 1}), labels_of({0, 1, 2, 1}), 4);

  EXPECT_THAT(result(metric), ElementsAre(Pair("accuracy", 75.0)));
}

TEST_F(AccuracyMetric, OfEqualLogitsTheFirstWins) {
  const MetricObject metric = make();

  process(metric, logits_of(3, {5, 5, 1, 5, 5, 1}), labels_of({0, 1}), 2);

  EXPECT_THAT(result(metric), ElementsAre(Pair("accuracy", 50.0)));
}

TEST_F(AccuracyMetric, ANaNIsNoHit) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const MetricObject metric = make();

  process(metric, logits_of(2, {nan, nan, 1, nan, nan, 1}), labels_of({0, 0, 1}), 3);

  EXPECT_THAT(result(metric), ElementsAre(Pair("accuracy", 0.0)));
}

TEST_F(AccuracyMetric, LeavesPaddingOut) {
  const MetricObject metric = make();

  process(metric, logits_of(2, {9, 1, 9, 1, 9, 1}), labels_of({0, 0, 1}), 2);

  EXPECT_THAT(state_of(metric), ElementsAre(2, 2));
}

TEST_F(AccuracyMetric, AListOfTopkGivesOneMetricEach) {
  const MetricObject metric = make(R"({"topk": [1, 2]})");

  process(metric, logits_of(3, {3, 2, 1, 3, 2, 1, 3, 2, 1, 3, 2, 1}), labels_of({0, 1, 2, 1}), 4);

  EXPECT_THAT(result(metric),
              ElementsAre(Pair("accuracy_top1", 25.0), Pair("accuracy_top2", 75.0)));
}

TEST_F(AccuracyMetric, OneTopkAsANumberKeepsThePlainName) {
  const MetricObject metric = make(R"({"topk": 2})");

  process(metric, logits_of(3, {3, 2, 1}), labels_of({1}), 1);

  EXPECT_THAT(result(metric), ElementsAre(Pair("accuracy", 100.0)));
}

TEST_F(AccuracyMetric, IsTheSameHoweverTheDataAreSplit) {
  std::vector<float> logits;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 30; ++i) {
    const auto x = static_cast<float>(i);
    logits.insert(logits.end(), {std::sin(x), std::sin(2 * x), std::sin(3 * x)});
    labels.push_back(i * i % 3);
  }
  const MetricObject whole = make();
  process(whole, logits_of(3, logits), labels_of(labels), 30);
  const std::vector<double> expected = state_of(whole);

  for (const size_t cut : {1U, 7U, 29U}) {
    const auto logits_cut = logits.begin() + static_cast<std::ptrdiff_t>(3 * cut);
    const auto labels_cut = labels.begin() + static_cast<std::ptrdiff_t>(cut);
    const MetricObject a = make();
    const MetricObject b = make();
    process(a,
            logits_of(3, {logits.begin(), logits_cut}),
            labels_of({labels.begin(), labels_cut}),
            static_cast<int64_t>(cut));
    process(b,
            logits_of(3, {logits_cut, logits.end()}),
            labels_of({labels_cut, labels.end()}),
            30 - static_cast<int64_t>(cut));
    const std::vector<double> of_a = state_of(a);
    const std::vector<double> of_b = state_of(b);

    const std::vector<double> summed = {of_a[0] + of_b[0], of_a[1] + of_b[1]};
    EXPECT_EQ(summed, expected);
    EXPECT_EQ(compute(a, summed), result(whole));
  }
}

TEST_F(AccuracyMetric, ResetForgetsWhatItSaw) {
  const MetricObject metric = make();
  process(metric, logits_of(2, {9, 1}), labels_of({1}), 1);

  metric.call(&strata_metric_api::reset);
  process(metric, logits_of(2, {9, 1}), labels_of({0}), 1);

  EXPECT_THAT(result(metric), ElementsAre(Pair("accuracy", 100.0)));
}

TEST_F(AccuracyMetric, TakesTheFirstOutputWhenNoneIsCalledLogits) {
  const MetricObject metric = make();

  process(metric, logits_of(2, {1, 9}), labels_of({1}), 1, "scores");

  EXPECT_THAT(result(metric), ElementsAre(Pair("accuracy", 100.0)));
}

TEST_F(AccuracyMetric, ReadsLogitsOfHalfPrecisionAndOfDouble) {
  const MetricObject metric = make();
  const std::vector<uint16_t> bf16 = {0x3F80, 0x4000};  // 1, 2

  process(metric, make_tensor(STRATA_BF16, {1, 2}, bf16), labels_of({1}), 1);
  process(metric,
          make_tensor(STRATA_F64, {1, 2}, std::vector<double>{1.0, 1.0 + 1e-12}),
          labels_of({1}),
          1);

  EXPECT_THAT(state_of(metric), ElementsAre(2, 2));
}

TEST_F(AccuracyMetric, RefusesWhatItCannotCount) {
  const MetricObject metric = make(R"({"topk": 2})");

  EXPECT_THAT(error_of([&] { process(metric, logits_of(2, {1, 2}), labels_of({2}), 1); }),
              HasSubstr("label 2"));
  EXPECT_THAT(error_of([&] { process(metric, logits_of(2, {1, 2}), labels_of({1, 0}), 1); }),
              HasSubstr("[1, 2] and [2]"));
  EXPECT_THAT(error_of([&] { process(metric, logits_of(1, {1}), labels_of({0}), 1); }),
              HasSubstr("topk 2"));
  EXPECT_THAT(error_of([&] { process(metric, logits_of(2, {1, 2}), labels_of({1}), 2); }),
              HasSubstr("2 valid"));
  EXPECT_THAT(error_of([&] { result(make()); }), HasSubstr("saw no samples"));
}

TEST_F(AccuracyMetric, RefusesAnImpossibleTopk) {
  EXPECT_EQ(code_of([&] { make(R"({"topk": 0})"); }), STRATA_E_CONFIG);
  EXPECT_EQ(code_of([&] { make(R"({"topk": []})"); }), STRATA_E_CONFIG);
}

}  // namespace
}  // namespace strata::test
