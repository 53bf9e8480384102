// DefaultSampler and InfiniteSampler: sequences, padding, any position.
#include <algorithm>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sample_host.hpp"

namespace strata::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using SamplerObject = border::Object<strata_sampler_api>;
using Indices = std::vector<int64_t>;

struct Part {
  Indices indices;
  std::vector<uint8_t> padding;
};

SamplerObject begun(PluginFile& plugin,
                    const std::string& type,
                    const std::string& config,
                    strata_sampler_args args) {
  SamplerObject out = plugin.create<strata_sampler_api>(type, config);
  out.call(&strata_sampler_api::begin, &args);
  return out;
}

strata_sampler_args args_of(int64_t size, int32_t rank, int32_t world, int64_t seed = 0) {
  return {STRATA_HDR(strata_sampler_args), size, seed, rank, world, 1, 0, 0};
}

int64_t length_of(const SamplerObject& sampler) {
  int64_t out = -1;
  sampler.call(&strata_sampler_api::length, &out);
  return out;
}

Part read(const SamplerObject& sampler, int64_t from, int64_t n) {
  Part out{Indices(static_cast<size_t>(n), -1), std::vector<uint8_t>(static_cast<size_t>(n), 9)};
  sampler.call(&strata_sampler_api::indices, from, n, out.indices.data(), out.padding.data());
  return out;
}

Indices first_n(int64_t n) {
  Indices out(static_cast<size_t>(n));
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

struct Split {
  int64_t size;
  int32_t world;
};

class DefaultSamplerSplit : public testing::TestWithParam<Split> {
 protected:
  PluginFile plugin{"sampler_default"};
};

TEST_P(DefaultSamplerSplit, DealsEverySampleOnceAndMarksTheRest) {
  const auto [size, world] = GetParam();
  const int64_t expected_length = (size + world - 1) / world;
  Indices counted;
  int64_t padded = 0;

  for (int32_t rank = 0; rank < world; ++rank) {
    const SamplerObject sampler = begun(plugin, "DefaultSampler", "{}", args_of(size, rank, world));
    ASSERT_EQ(length_of(sampler), expected_length);
    const Part part = read(sampler, 0, expected_length);
    EXPECT_TRUE(std::ranges::is_sorted(part.padding));  // padding comes last
    for (size_t i = 0; i < part.indices.size(); ++i) {
      if (part.padding[i] == 0) {
        counted.push_back(part.indices[i]);
      }
      padded += part.padding[i];
    }
  }

  std::ranges::sort(counted);
  EXPECT_EQ(counted, first_n(size));
  EXPECT_EQ(padded, expected_length * world - size);
}

TEST_P(DefaultSamplerSplit, WithoutRoundingUpDealsEverySampleOnceAndNoneTwice) {
  const auto [size, world] = GetParam();
  Indices counted;

  for (int32_t rank = 0; rank < world; ++rank) {
    const SamplerObject sampler =
        begun(plugin, "DefaultSampler", R"({"round_up": false})", args_of(size, rank, world));
    const Part part = read(sampler, 0, length_of(sampler));
    EXPECT_EQ(std::ranges::count(part.padding, 1), 0);
    counted.insert(counted.end(), part.indices.begin(), part.indices.end());
  }

  std::ranges::sort(counted);
  EXPECT_EQ(counted, first_n(size));
}

INSTANTIATE_TEST_SUITE_P(SizeAndWorld,
                         DefaultSamplerSplit,
                         testing::Values(Split{12, 1},
                                         Split{12, 2},
                                         Split{12, 3},
                                         Split{12, 4},
                                         Split{13, 1},
                                         Split{13, 2},
                                         Split{13, 3},
                                         Split{13, 4},
                                         Split{1, 4},
                                         Split{2, 3},
                                         Split{3, 4}));

class Samplers : public testing::Test {
 protected:
  PluginFile plugin{"sampler_default"};
};

TEST_F(Samplers, UnshuffledRanksTakeEveryWorldthSampleAndWrapAround) {
  const std::string config = R"({"shuffle": false})";

  const Part rank0 = read(begun(plugin, "DefaultSampler", config, args_of(7, 0, 3)), 0, 3);
  const Part rank2 = read(begun(plugin, "DefaultSampler", config, args_of(7, 2, 3)), 0, 3);

  EXPECT_THAT(rank0.indices, ElementsAre(0, 3, 6));
  EXPECT_THAT(rank0.padding, ElementsAre(0, 0, 0));
  EXPECT_THAT(rank2.indices, ElementsAre(2, 5, 1));
  EXPECT_THAT(rank2.padding, ElementsAre(0, 0, 1));
}

TEST_F(Samplers, ASetSmallerThanTheWorldIsRepeatedSeveralTimes) {
  const SamplerObject sampler =
      begun(plugin, "DefaultSampler", R"({"shuffle": false})", args_of(2, 5, 7));

  const Part part = read(sampler, 0, 1);

  EXPECT_THAT(part.indices, ElementsAre(1));  // place 5 of 0 1 0 1 0 1 0
  EXPECT_THAT(part.padding, ElementsAre(1));
}

TEST_F(Samplers, TheRanksTogetherFollowTheOrderOfOneRank) {
  const Part whole = read(begun(plugin, "DefaultSampler", "{}", args_of(12, 0, 1, 5)), 0, 12);

  for (int32_t rank = 0; rank < 4; ++rank) {
    const Part part = read(begun(plugin, "DefaultSampler", "{}", args_of(12, rank, 4, 5)), 0, 3);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(part.indices[i], whole.indices[4 * i + static_cast<size_t>(rank)]);
    }
  }
}

TEST_F(Samplers, TheOrderOfASeedIsWrittenDown) {
  const SamplerObject sampler =
      begun(plugin, "DefaultSampler", R"({"seed": 42})", args_of(8, 0, 1));

  const Part part = read(sampler, 0, 8);

  // splitmix64 keyed by (42, 0, 0), Knuth's algorithm P; computed apart in Python with unbounded
  // integers.
  EXPECT_THAT(part.indices, ElementsAre(1, 6, 5, 0, 4, 2, 7, 3));
}

TEST_F(Samplers, EpochAndSeedChangeTheOrderAndTheOwnSeedWinsOverTheRuns) {
  const SamplerObject sampler = begun(plugin, "DefaultSampler", "{}", args_of(100, 0, 1, 1));
  const Indices epoch0 = read(sampler, 0, 100).indices;
  sampler.call(&strata_sampler_api::set_epoch, int64_t{1});
  const Indices epoch1 = read(sampler, 0, 100).indices;
  sampler.call(&strata_sampler_api::set_epoch, int64_t{0});

  EXPECT_NE(epoch0, epoch1);
  EXPECT_EQ(read(sampler, 0, 100).indices, epoch0);
  EXPECT_NE(read(begun(plugin, "DefaultSampler", "{}", args_of(100, 0, 1, 2)), 0, 100).indices,
            epoch0);
  EXPECT_EQ(read(begun(plugin, "DefaultSampler", R"({"seed": 1})", args_of(100, 0, 1, 2)), 0, 100)
                .indices,
            epoch0);
}

TEST_F(Samplers, EveryPlaceIsEquallyLikelyForASample) {
  std::vector<int> at(5, 0);
  const SamplerObject sampler = begun(plugin, "DefaultSampler", "{}", args_of(5, 0, 1));

  for (int64_t epoch = 0; epoch < 5000; ++epoch) {
    sampler.call(&strata_sampler_api::set_epoch, epoch);
    const Indices order = read(sampler, 0, 5).indices;
    at[static_cast<size_t>(std::ranges::find(order, 3) - order.begin())] += 1;
  }

  for (const int count : at) {
    EXPECT_NEAR(count, 1000, 142);  // 5 standard deviations of 5000 draws at 1/5
  }
}

TEST_F(Samplers, AskingPastTheEndIsRefused) {
  const SamplerObject sampler = begun(plugin, "DefaultSampler", "{}", args_of(7, 1, 2));

  EXPECT_THAT(error_of([&] { read(sampler, 3, 2); }),
              HasSubstr("positions 3 to 4; rank 1 of 2 has 4"));
}

TEST_F(Samplers, BeginningWithoutSamplesIsRefused) {
  EXPECT_EQ(code_of([&] { begun(plugin, "DefaultSampler", "{}", args_of(0, 0, 1)); }),
            STRATA_E_ARGUMENT);
  EXPECT_EQ(code_of([&] { begun(plugin, "InfiniteSampler", "{}", args_of(4, 2, 2)); }),
            STRATA_E_ARGUMENT);
}

class InfiniteSamplerWorld : public testing::TestWithParam<int32_t> {};

TEST_P(InfiniteSamplerWorld, EveryStretchOfTheSetsSizeIsAPermutation) {
  PluginFile plugin("sampler_default");
  const int32_t world = GetParam();
  constexpr int64_t kSize = 7;
  constexpr int64_t kRounds = 4;
  Indices joined(static_cast<size_t>(kSize * kRounds * world), -1);

  for (int32_t rank = 0; rank < world; ++rank) {
    const SamplerObject sampler =
        begun(plugin, "InfiniteSampler", "{}", args_of(kSize, rank, world));
    EXPECT_EQ(length_of(sampler), INT64_MAX);
    const Part part = read(sampler, 0, kSize * kRounds);
    EXPECT_EQ(std::ranges::count(part.padding, 0), kSize * kRounds);
    for (int64_t i = 0; i < kSize * kRounds; ++i) {
      joined[static_cast<size_t>(i * world + rank)] = part.indices[static_cast<size_t>(i)];
    }
  }

  const auto stretch = [&](int64_t round) {
    return Indices(joined.begin() + round * kSize, joined.begin() + (round + 1) * kSize);
  };
  EXPECT_NE(stretch(0), stretch(1));
  for (int64_t round = 0; round < kRounds * world; ++round) {
    Indices sorted = stretch(round);
    std::ranges::sort(sorted);
    EXPECT_EQ(sorted, first_n(kSize));
  }
}

INSTANTIATE_TEST_SUITE_P(World, InfiniteSamplerWorld, testing::Values(1, 2, 3, 4));

TEST_F(Samplers, AnyPositionOfAnEndlessPassEqualsTheContinuedOne) {
  const SamplerObject sampler = begun(plugin, "InfiniteSampler", "{}", args_of(10, 1, 2));
  const Indices continued = read(sampler, 0, 100).indices;

  for (const int64_t from : {93, 0, 41, 4}) {
    EXPECT_EQ(read(sampler, from, 7).indices,
              Indices(continued.begin() + from, continued.begin() + from + 7));
  }
}

TEST_F(Samplers, AnUnshuffledEndlessPassRepeatsTheSet) {
  const SamplerObject sampler =
      begun(plugin, "InfiniteSampler", R"({"shuffle": false})", args_of(3, 0, 2));

  EXPECT_THAT(read(sampler, 0, 5).indices, ElementsAre(0, 2, 1, 0, 2));
}

}  // namespace
}  // namespace strata::test
