// A world's groups, helpers and byte account, over threads and alone.
#include "comm/world.hpp"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/runtime.hpp"
#include "ranks.hpp"

namespace strata::comm {
namespace {

using test::run_ranks;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(World, OfOneRankNeedsNoCommunicator) {
  World world;
  strata_work* work = nullptr;
  std::array<float, 2> in = {1, 2};
  std::array<float, 2> out{};

  const strata_rc rc = comm_service()->all_gather(
      world.world(), in.data(), out.data(), 2, STRATA_F32, nullptr, &work);

  EXPECT_EQ(rc, STRATA_OK);
  EXPECT_EQ(comm_service()->wait(work, nullptr), STRATA_OK);
  EXPECT_EQ(out, in);
  EXPECT_EQ(world.sum(3.5), 3.5);
  EXPECT_TRUE(world.any(true));
  EXPECT_EQ(world.broadcast_text("x"), "x");
  EXPECT_THAT(world.all_gather_text("y"), ElementsAre("y"));
  EXPECT_EQ(world.bytes_sent(), 0);
}

TEST(World, OfSeveralRanksRefusesToBeMadeWithoutACommunicator) {
  EXPECT_THROW(World(test::info_of(0, 2), WorldParts{}), Error);
}

TEST(World, GathersTextsOfDifferentLengths) {
  run_ranks(3, [](World& world) {
    const std::string mine(static_cast<size_t>(world.rank()), 'x');

    EXPECT_THAT(world.all_gather_text(mine), ElementsAre("", "x", "xx"));
  });
}

TEST(World, BroadcastsTextFromAnyRank) {
  run_ranks(3, [](World& world) {
    EXPECT_EQ(world.broadcast_text(text("from ", world.rank()), 2), "from 2");
    EXPECT_EQ(world.broadcast_text(""), "");
  });
}

TEST(World, AgreesOnSumsAndAnswers) {
  run_ranks(4, [](World& world) {
    EXPECT_EQ(world.sum(world.rank()), 6);
    EXPECT_TRUE(world.any(world.rank() == 3));
    EXPECT_FALSE(world.any(false));
  });
}

TEST(World, MakesGroupsWithNamesAndRanksOfTheirOwn) {
  run_ranks(4, [](World& world) {
    const bool low = world.rank() < 2;
    const std::array<int32_t, 2> ranks = {low ? 0 : 2, low ? 1 : 3};

    strata_group* group = world.group_new(ranks);
    auto value = static_cast<float>(world.rank());
    strata_work* work = nullptr;
    ASSERT_EQ(comm_service()->all_reduce(group, &value, 1, STRATA_F32, STRATA_SUM, nullptr, &work),
              STRATA_OK);
    ASSERT_EQ(comm_service()->wait(work, nullptr), STRATA_OK);

    EXPECT_EQ(value, low ? 1.F : 5.F);
    EXPECT_EQ(comm_service()->rank(group), world.rank() % 2);
    EXPECT_EQ(comm_service()->size(group), 2);
    EXPECT_EQ(world.group_new(ranks), group);
    EXPECT_THAT(world.all_gather_text(group->name),
                ElementsAre("world/0.0", "world/0.0", "world/0.2", "world/0.2"));
  });
}

TEST(World, GivesTheWorldAndLoneRanksWithoutANewCommunicatorGroup) {
  run_ranks(2, [](World& world) {
    const std::array<int32_t, 2> all = {0, 1};
    const int32_t alone = world.rank();

    EXPECT_EQ(world.group_new(all), world.world());
    EXPECT_EQ(world.group_new({&alone, 1})->native, nullptr);
  });
}

TEST(World, RefusesAGroupThatIsNotAscendingOrWithoutTheCaller) {
  run_ranks(2, [](World& world) {
    const std::array<int32_t, 2> descending = {1, 0};
    const int32_t other = 1 - world.rank();

    EXPECT_THAT(test::error_of([&] { world.group_new(descending); }), HasSubstr("must ascend"));
    EXPECT_THAT(test::error_of([&] { world.group_new({&other, 1}); }),
                HasSubstr("include the calling rank"));
  });
}

TEST(World, CountsBytesByTheCheapestAlgorithm) {
  run_ranks(4, [](World& world) {
    std::vector<float> data(size_t{4} * 100);
    strata_work* work = nullptr;
    const strata_comm_api& api = *comm_service();

    api.all_reduce(world.world(), data.data(), 400, STRATA_F32, STRATA_SUM, nullptr, &work);
    EXPECT_EQ(world.bytes_sent(), 2400);  // 2 (4-1)/4 of 1600
    api.reduce_scatter(world.world(),
                       data.data(),
                       data.data() + std::ptrdiff_t{world.rank()} * 100,
                       100,
                       STRATA_F32,
                       STRATA_SUM,
                       nullptr,
                       &work);
    EXPECT_EQ(world.bytes_sent(), 3600);  // and (4-1) slices of 400
    api.broadcast(world.world(), data.data(), 100, STRATA_F32, 1, nullptr, &work);
    EXPECT_EQ(world.bytes_sent(), world.rank() == 1 ? 4800 : 3600);
  });
}

TEST(CommService, ReachesTheWorldThroughTheRuntime) {
  World world;
  strata_runtime runtime;

  EXPECT_EQ(comm_service()->world(&runtime), nullptr);
  strata_group* out = nullptr;
  const int32_t zero = 0;
  EXPECT_EQ(comm_service()->group_new(&runtime, &zero, 1, &out), STRATA_E_ARGUMENT);
  runtime.comm = &world;
  EXPECT_EQ(comm_service()->world(&runtime), world.world());
}

TEST(CommService, RefusesNegativeCountsAndUnknownTypesBeforeAnyRankWaits) {
  World world;
  strata_work* work = nullptr;
  float value = 1;

  EXPECT_EQ(
      comm_service()->all_reduce(world.world(), &value, -1, STRATA_F32, STRATA_SUM, nullptr, &work),
      STRATA_E_ARGUMENT);
  EXPECT_EQ(comm_service()->all_reduce(world.world(), &value, 1, 99, STRATA_SUM, nullptr, &work),
            STRATA_E_ARGUMENT);
}

TEST(StreamService, HasNoStreamsOnACpu) {
  strata_runtime runtime;
  auto* side = reinterpret_cast<strata_stream*>(&runtime);

  EXPECT_EQ(stream_service()->compute(&runtime), nullptr);
  EXPECT_EQ(stream_service()->side(&runtime, border::view("gather"), &side), STRATA_OK);
  EXPECT_EQ(side, nullptr);
  EXPECT_EQ(stream_service()->wait(nullptr, nullptr), STRATA_OK);
}

}  // namespace
}  // namespace strata::comm
