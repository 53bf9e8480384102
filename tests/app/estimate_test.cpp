// strata estimate.
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class EstimateCommand : public Scene {
 protected:
  /// The MLP of the scene under FlatStrategy: 49,338 parameters in fp32.
  [[nodiscard]] std::string flat() const {
    return config(kTestPlugins +
                  ("strategy.type = \"FlatStrategy\"\n" + std::string(kThreeIterations)));
  }
};

TEST_F(EstimateCommand, HasARowForEachStrategyAndVariant) {
  const Outcome outcome = run_strata({"estimate", flat(), "--world", "4"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(ContainsRegex("\n\\* FlatStrategy  +[0-9]"),
                    ContainsRegex("\n  FlatStrategy rows  +[0-9]"),
                    ContainsRegex("\n  FlatStrategy columns  +[0-9]"),
                    ContainsRegex("\n  DDPStrategy  +770.9 KiB  770.9 KiB"),
                    ContainsRegex("\n  SingleDeviceStrategy +runs on at most 1 rank")));
}

TEST_F(EstimateCommand, NamesTheLargestUnitsAndParameters) {
  const Outcome outcome = run_strata({"estimate", flat(), "--world", "4"});

  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("4 parameters of 49338 elements, 192.7 KiB"),
                    ContainsRegex("largest parameters: [^ ]*weight \\[16, 3072\\] 192.0 KiB, "),
                    ContainsRegex("largest units: +[^ ]+ 192.1 KiB")));
}

TEST_F(EstimateCommand, TellsTheOptimizerAndTheAccumulation) {
  const Outcome outcome = run_strata(
      {"estimate",
       config(std::string(kThreeIterations) + "[optim_wrapper]\naccumulative_counts = 3\n"),
       "--world",
       "2"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      HasSubstr("on 2 rank(s), AdamW with 2 state number(s) per element, 3 micro-batch(es)"));
}

TEST_F(EstimateCommand, RefusesAStrategyAboveTheLimitAndNamesThoseThatFit) {
  const std::string ddp = config(kTestPlugins + std::string(kThreeIterations));

  const Outcome over = run_strata({"estimate", ddp, "--world", "4", "--memory-limit", "700KiB"});
  const Outcome under = run_strata({"estimate", ddp, "--world", "4", "--memory-limit", "1 MiB"});
  const Outcome hopeless = run_strata({"estimate", ddp, "--world", "4", "--memory-limit", "10"});

  EXPECT_EQ(over.code, 2);
  EXPECT_THAT(over.err,
              AllOf(HasSubstr("DDPStrategy needs 770.9 KiB"),
                    HasSubstr("; these fit: "),
                    HasSubstr("FlatStrategy rows (")));
  EXPECT_THAT(over.out, HasSubstr("* DDPStrategy"));
  EXPECT_EQ(under.code, 0) << under.err;
  EXPECT_EQ(hopeless.code, 2);
  EXPECT_THAT(hopeless.err, HasSubstr("nothing that was found fits"));
}

TEST_F(EstimateCommand, OfAStrategyThatRefusesSaysWhyBesideWhatTheOthersNeed) {
  const std::string half = config(kTestPlugins + (R"(strategy.type = "Zero1Strategy"
model = { _delete_ = true, type = "GPT2", vocab_size = 13, n_layer = 1, n_head = 2, n_embd = 8, dtype = "bfloat16" }
)" + std::string(kThreeIterations)));

  const Outcome outcome = run_strata({"estimate", half, "--world", "2"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out,
              AllOf(ContainsRegex("\n\\* Zero1Strategy  +parameter [^ ]+ is bf16"),
                    ContainsRegex("\n  DDPStrategy  +[0-9]")));
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr(":3:1: parameter "),
                    HasSubstr("Zero1Strategy keeps none"),
                    Not(HasSubstr("Zero1Strategy: "))));
}

TEST_F(EstimateCommand, RefusesALimitThatIsNoSize) {
  const Outcome outcome =
      run_strata({"estimate", config(), "--world", "2", "--memory-limit", "16 giga"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("--memory-limit"), HasSubstr("\"16 giga\" is no size")));
}

TEST_F(EstimateCommand, NeedsNoDataAndWritesNothing) {
  fs::remove_all(path("data"));

  const Outcome outcome = run_strata({"estimate", config(), "--world", "1"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(path("work_dirs")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("FlatStrategy")));
}

}  // namespace
}  // namespace strata::test
