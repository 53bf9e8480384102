// The batch triad against the loader and the number of ranks.
#include "settings/batch.hpp"

#include "loaded.hpp"

namespace strata::deepspeed {
namespace {

struct Triad {
  const char* name;
  BatchKeys keys;
  BatchFacts facts;
  std::optional<int64_t> count;
  std::string says;  // of the refusal
};

void PrintTo(const Triad& t, std::ostream* out) {
  *out << t.name;
}

class BatchTriad : public testing::TestWithParam<Triad> {};

TEST_P(BatchTriad, GivesTheAccumulationOrSaysWhatDoesNotFit) {
  const Triad& t = GetParam();

  const std::string said = test::error_of([&] {
    const std::optional<int64_t> count = accumulation(t.keys, t.facts, "ds.json:3");
    EXPECT_EQ(count, t.count);
  });

  EXPECT_THAT(said, HasSubstr(t.says));
  EXPECT_EQ(said.empty(), t.says.empty()) << said;
}

constexpr auto kNone = std::nullopt;
constexpr BatchFacts kEightOnTwo{8, 2};

INSTANTIATE_TEST_SUITE_P(
    Rows,
    BatchTriad,
    testing::Values(
        Triad{"AllThree", {64, 8, 4}, kEightOnTwo, 4, ""},
        Triad{"AllThreeThatDoNotFit",
              {60, 8, 4},
              kEightOnTwo,
              kNone,
              "train_batch_size = 60 is not 8 (train_dataloader.batch_size) x 4 "
              "(gradient_accumulation_steps) x 2"},
        Triad{"TrainAndMicro", {64, 8, kNone}, kEightOnTwo, 4, ""},
        Triad{"TrainAndMicroWithARest", {65, 8, kNone}, kEightOnTwo, kNone, "any whole number"},
        Triad{"TrainBelowOneIteration", {8, 8, kNone}, kEightOnTwo, kNone, "any whole number"},
        Triad{"TrainAndAccumulation", {64, kNone, 4}, kEightOnTwo, 4, ""},
        Triad{"TrainAndAccumulationOfAnotherMicro",
              {64, kNone, 2},
              kEightOnTwo,
              kNone,
              "8 (train_dataloader"},
        Triad{"MicroAndAccumulation", {kNone, 8, 4}, kEightOnTwo, 4, ""},
        Triad{"TrainOnly", {16, kNone, kNone}, kEightOnTwo, 1, ""},
        Triad{"TrainOnlyOfAnotherSize",
              {32, kNone, kNone},
              kEightOnTwo,
              kNone,
              "set it to 16, or gradient_accumulation_steps = 2"},
        Triad{"TrainOnlyThatCannotBe",
              {17, kNone, kNone},
              kEightOnTwo,
              kNone,
              "no accumulation makes 17"},
        Triad{"MicroOnly", {kNone, 8, kNone}, kEightOnTwo, kNone, ""},
        Triad{"MicroUnlikeTheLoaders",
              {kNone, 4, kNone},
              kEightOnTwo,
              kNone,
              "train_micro_batch_size_per_gpu = 4, but train_dataloader.batch_size = 8"},
        Triad{"AccumulationOnly", {kNone, kNone, 3}, kEightOnTwo, 3, ""},
        Triad{"Nothing", {}, kEightOnTwo, kNone, ""},
        Triad{"NoLoader", {64, 8, kNone}, {0, 2}, kNone, ""}),
    [](const auto& test) { return test.param.name; });

TEST(BatchTriadPlace, IsThatOfTheFirstKey) {
  EXPECT_EQ(
      json("{\n\"gradient_accumulation_steps\": 1,\n\"train_batch_size\": 2}").config.batch_where,
      "ds_config.json:3");
}

}  // namespace
}  // namespace strata::deepspeed
