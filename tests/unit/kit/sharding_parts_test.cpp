// The parts that sharding strategies are made of: layouts, orders of use, buckets in order, casts.
#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/kit/access_order.hpp"
#include "strata/kit/bucket_order.hpp"
#include "strata/kit/cast.hpp"
#include "strata/kit/flat_layout.hpp"

namespace strata::kit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// --- AccessOrder ---------------------------------------------------------------------------------

void run(AccessOrder& order, const std::vector<int32_t>& units) {
  order.begin();
  for (const int32_t unit : units) {
    order.note(unit);
  }
  order.end();
}

TEST(AccessOrder, ForeseesNothingInTheFirstIteration) {
  AccessOrder order;
  order.begin();
  order.note(0);

  EXPECT_THAT(order.upcoming(), IsEmpty());
}

TEST(AccessOrder, ForeseesWhatTheIterationBeforeUsed) {
  AccessOrder order;
  run(order, {0, 1, 2, 2, 1, 0});

  order.begin();
  order.note(0);
  order.note(1);

  EXPECT_THAT(order.upcoming(), ElementsAre(2, 2, 1, 0));
}

TEST(AccessOrder, StopsForeseeingWhereAnIterationGoesAnotherWay) {
  AccessOrder order;
  run(order, {0, 1, 2});

  order.begin();
  order.note(0);
  order.note(2);

  EXPECT_THAT(order.upcoming(), IsEmpty());
}

TEST(AccessOrder, RemembersSeveralWaysAndFollowsTheOneThatAgrees) {
  AccessOrder order;
  run(order, {0, 1, 3});
  run(order, {0, 2, 4});

  order.begin();
  order.note(0);
  order.note(1);

  EXPECT_THAT(order.upcoming(), ElementsAre(3));
}

TEST(AccessOrder, ForgetsAnIterationThatFailed) {
  AccessOrder order;
  run(order, {0, 1});
  order.begin();
  order.note(5);

  order.begin();
  order.note(0);

  EXPECT_THAT(order.upcoming(), ElementsAre(1));
}

// --- BucketOrder ---------------------------------------------------------------------------------

// Parameters 0 and 1 in bucket 0, parameter 2 in bucket 1.
BucketOrder buckets(BucketOrder::Late late) {
  BucketOrder order({0, 0, 1}, {2, 1}, late);
  order.begin();
  return order;
}

TEST(BucketOrder, HoldsBackABucketUntilThoseBeforeItAreReady) {
  BucketOrder order = buckets(BucketOrder::Late::kAdded);

  EXPECT_EQ(order.note(2, "c", ""), 0U);
  EXPECT_EQ(order.note(0, "a", ""), 0U);
  EXPECT_EQ(order.note(1, "b", ""), 2U);
}

TEST(BucketOrder, SendsNothingBeforeItHasLearnedWhereLateGradientsAreRefused) {
  BucketOrder order = buckets(BucketOrder::Late::kRefused);
  for (const int32_t param : {0, 1, 2}) {
    EXPECT_EQ(order.note(param, "", ""), 0U);
  }
  order.learn();
  order.begin();

  order.note(0, "", "");
  EXPECT_EQ(order.note(1, "", ""), 1U);
}

TEST(BucketOrder, LearnsThatAParameterAccumulatesTwice) {
  BucketOrder order = buckets(BucketOrder::Late::kRefused);
  for (const int32_t param : {0, 1, 0, 2}) {
    order.note(param, "", "");
  }
  order.learn();
  order.begin();

  order.note(0, "", "");
  EXPECT_EQ(order.note(1, "", ""), 0U);
  EXPECT_EQ(order.note(0, "", ""), 1U);
}

TEST(BucketOrder, NamesAParameterWhoseBucketHasGone) {
  BucketOrder order = buckets(BucketOrder::Late::kRefused);
  for (const int32_t param : {0, 1, 2}) {
    order.note(param, "", "");
  }
  order.learn();
  order.begin();
  order.note(0, "", "");
  order.note(1, "", "");

  try {
    order.note(0, "fc.weight", "do this");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("\"fc.weight\""), HasSubstr("do this")));
  }
}

TEST(BucketOrder, LearnsAnewFromALateGradientThatIsAdded) {
  BucketOrder order = buckets(BucketOrder::Late::kAdded);
  order.note(0, "", "");
  order.note(1, "", "");
  EXPECT_TRUE(order.is_late(0));
  order.note(0, "", "");
  order.note(2, "", "");
  order.learn();
  order.begin();

  order.note(0, "", "");
  EXPECT_EQ(order.note(1, "", ""), 0U);
}

// --- layouts -------------------------------------------------------------------------------------

struct Described {
  explicit Described(const std::vector<int64_t>& sizes) {
    for (const int64_t size : sizes) {
      strata_param_desc p{};
      p.numel = size;
      params.push_back(p);
      ids.push_back(static_cast<int32_t>(ids.size()));
    }
    desc = {STRATA_HDR(strata_model_desc), nullptr, 0, params.data(), params.size()};
  }

  std::vector<strata_param_desc> params;
  std::vector<int32_t> ids;
  strata_model_desc desc{};
};

TEST(FlatLayout, BeginsParametersAndShardsAtMultiplesOf16) {
  const Described model({100, 10, 1});

  const FlatLayout layout = lay_out(ModelView{&model.desc}, model.ids, 3);

  EXPECT_EQ(layout.slots[1].offset, 112);
  EXPECT_EQ(layout.slots[2].offset, 128);
  EXPECT_EQ(layout.used, 129);
  EXPECT_EQ(layout.shard, 48);
  EXPECT_EQ(layout.numel(), 144);
}

TEST(FlatLayout, CutsAParameterThatSpansShards) {
  const Described model({100, 10});
  const FlatLayout layout = lay_out(ModelView{&model.desc}, model.ids, 3);

  const auto last = segments_of_shard(layout, 2);

  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(last[0].param_offset, 96);
  EXPECT_EQ(last[0].count, 4);
  EXPECT_EQ(last[1].view_offset, 112 - 96);
  EXPECT_EQ(last[1].count, 10);
}

TEST(FlatLayout, GivesRanksBeyondTheElementsNothingButPadding) {
  const Described model({1});
  const FlatLayout layout = lay_out(ModelView{&model.desc}, model.ids, 4);

  EXPECT_EQ(segments_of_shard(layout, 0).size(), 1U);
  EXPECT_THAT(segments_of_shard(layout, 3), IsEmpty());
}

TEST(FlatLayout, HasRoomForEmptyParameters) {
  const Described model({0, 5, 0});
  const FlatLayout layout = lay_out(ModelView{&model.desc}, model.ids, 2);

  EXPECT_EQ(layout.used, 16);
  EXPECT_EQ(segments_of_shard(layout, 0).size(), 1U);
}

// --- casts ---------------------------------------------------------------------------------------

TEST(Cast, RoundsToNearestEvenAndBack) {
  const std::vector<float> from = {
      1.0F, 1.00390625F, -3.0F, std::numeric_limits<float>::infinity()};
  std::vector<uint16_t> half(4);
  std::vector<float> back(4);

  cast(half.data(), STRATA_BF16, from.data(), STRATA_F32, 4);
  cast(back.data(), STRATA_F32, half.data(), STRATA_BF16, 4);

  EXPECT_THAT(back, ElementsAre(1.0F, 1.0F, -3.0F, std::numeric_limits<float>::infinity()));
}

TEST(Cast, KeepsDoublesWhole) {
  const std::vector<double> from = {1.0 / 3, -1e-300};
  std::vector<double> to(2);

  cast(to.data(), STRATA_F64, from.data(), STRATA_F64, 2);

  EXPECT_EQ(to, from);
}

TEST(Cast, GoesThroughManyBlocks) {
  std::vector<float> from(5000);
  for (size_t i = 0; i < from.size(); ++i) {
    from[i] = static_cast<float>(i % 256);
  }
  std::vector<double> to(from.size());

  cast(to.data(), STRATA_F64, from.data(), STRATA_F32, static_cast<int64_t>(from.size()));

  EXPECT_TRUE(std::equal(to.begin(), to.end(), from.begin()));
}

TEST(Add, AddsHalvesToFloats) {
  std::vector<float> sum = {1.0F, 2.0F};
  const std::vector<uint16_t> one = {0x3F80, 0x3F80};

  add(sum.data(), STRATA_F32, one.data(), STRATA_BF16, 2);

  EXPECT_THAT(sum, ElementsAre(2.0F, 3.0F));
}

}  // namespace
}  // namespace strata::kit
