// Whole runs in fp16: a loss scale that is far too large at first, then learning, then a resume.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "scene.hpp"
#include "stored_tensors.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;

constexpr const char* kSixtyIterations = R"([train_cfg]
by_epoch = false
max_iters = 60
[default_hooks]
checkpoint = { interval = 40 }
[optim_wrapper]
type = "AmpOptimWrapper"
dtype = "float16"
)";

double mean(std::vector<double>::const_iterator from, int count) {
  return std::accumulate(from, from + count, 0.0) / count;
}

class MixedPrecision : public Scene {
 protected:
  [[nodiscard]] nlohmann::json state(const std::string& checkpoint) const {
    return nlohmann::json::parse(read_text(path(checkpoint) / "state.json"));
  }

  [[nodiscard]] nlohmann::json scaler(const std::string& checkpoint) const {
    const auto text = state(checkpoint).at("optim_wrapper").get<std::string>();
    return nlohmann::json::parse(text).at("loss_scaler");
  }

  /// Sixty iterations that begin with a scale no gradient survives in fp16.
  void expect_recovery(const std::string& ranks) const {
    train(config(std::string(kSixtyIterations) + "loss_scale = { init_scale = 1099511627776 }\n"),
          "work",
          {"--nproc", ranks});

    const nlohmann::json found = scaler("work/iter_60");
    const double halvings = 40 - std::log2(found.at("scale").get<double>());
    EXPECT_EQ(halvings, std::round(halvings)) << found;
    EXPECT_GE(halvings, 20) << found;
    EXPECT_LT(halvings, 40) << found;
    EXPECT_EQ(state("work/iter_60").at("meta").at("step"), 60 - halvings);
    EXPECT_THAT(log_of("work"),
                HasSubstr("iteration 0: inf or NaN in the gradients, the update is skipped; the "
                          "loss scale goes from 1.09951e+12 to 5.49756e+11"));

    const std::vector<double> losses = series("work", "loss");
    ASSERT_EQ(losses.size(), 60U);
    EXPECT_TRUE(std::ranges::all_of(losses, [](double loss) { return std::isfinite(loss); }));
    EXPECT_LT(mean(losses.end() - 12, 12), 0.7 * mean(losses.begin(), 12));
  }
};

TEST_F(MixedPrecision, LowersATooLargeScaleUntilGradientsSurviveAndThenLearns) {
  expect_recovery("1");
}

TEST_F(MixedPrecision, LowersTheScaleOnAllRanksAtOnce) {
  expect_recovery("2");
}

// The scale grows every third good step and so is lowered again and again, also after the resume.
TEST_F(MixedPrecision, ResumesWithTheScaleOfTheRunThatItGoesOnFrom) {
  const std::string file = config(std::string(kSixtyIterations) +
                                  "loss_scale = { init_scale = 1e8, growth_interval = 3 }\n");
  train(file, "whole");

  train(file, "resumed", {"--resume", "whole/iter_40"});

  const std::vector<double> all = series("whole", "loss");
  const std::vector<double> tail = series("resumed", "loss");
  ASSERT_EQ(tail.size(), 20U);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.end() - 20));
  EXPECT_NE(scaler("whole/iter_40").at("scale"), 1e8);
  EXPECT_EQ(scaler("resumed/iter_60"), scaler("whole/iter_60"));
  EXPECT_EQ(state("resumed/iter_60").at("meta"), state("whole/iter_60").at("meta"));
  EXPECT_THAT(log_of("resumed"), HasSubstr("the update is skipped"));
  EXPECT_EQ(differences(path("resumed/iter_60"), path("whole/iter_60")), "");
}

}  // namespace
}  // namespace strata::test
