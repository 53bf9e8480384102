// Evictions against the best that any choice can do, and fractions of bytes.
#include "placement.hpp"

#include <bit>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::colossalai {
namespace {

using testing::ElementsAre;

constexpr int64_t kBytes = 100;  // of a chunk

// Chunks fetched over a sequence of uses, of which `room` fit beside each other, when evictions are chosen as uses come.
int fetches(const std::vector<int32_t>& uses, int64_t room) {
  std::map<int32_t, uint64_t> whole;  // with their last use
  int count = 0;
  for (size_t now = 0; now < uses.size(); ++now) {
    if (!whole.contains(uses[now])) {
      std::vector<Held> held;
      for (const auto& [chunk, last] : whole) {
        const auto next =
            std::find(uses.begin() + static_cast<std::ptrdiff_t>(now), uses.end(), chunk);
        held.push_back({chunk, kBytes, static_cast<size_t>(next - uses.begin()), last});
      }
      for (const int32_t chunk : choose_evictions(held, (room - 1) * kBytes)) {
        whole.erase(chunk);
      }
      ++count;
    }
    whole[uses[now]] = now;
    EXPECT_LE(static_cast<int64_t>(whole.size()), room);
  }
  return count;
}

// The fewest that any choice of evictions needs: all sets of chunks that can be there after each use.
// NOLINTNEXTLINE(readability-function-cognitive-complexity,readability-function-size): a plain search, read at once
int fewest_fetches(const std::vector<int32_t>& uses, int64_t room) {
  std::map<uint32_t, int> reached = {{0, 0}};
  for (const int32_t use : uses) {
    std::map<uint32_t, int> next;
    const auto keep = [&](uint32_t set, int cost) {
      const auto [it, fresh] = next.emplace(set, cost);
      it->second = fresh ? cost : std::min(it->second, cost);
    };
    for (const auto& [set, cost] : reached) {
      const uint32_t bit = 1U << static_cast<unsigned>(use);
      if ((set & bit) != 0) {
        keep(set, cost);
        continue;
      }
      for (uint32_t rest = set;; rest = (rest - 1) & set) {  // every subset may stay
        if (std::popcount(rest) < room) {
          keep(rest | bit, cost + 1);
        }
        if (rest == 0) {
          break;
        }
      }
    }
    reached = std::move(next);
  }
  int best = std::numeric_limits<int>::max();
  for (const auto& [set, cost] : reached) {
    best = std::min(best, cost);
  }
  return best;
}

TEST(Evictions, BringBackAsFewChunksAsPossible) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> uses(std::uniform_int_distribution<size_t>(1, 18)(random));
    for (int32_t& use : uses) {
      use = std::uniform_int_distribution<int32_t>(0, 5)(random);
    }
    const auto room = std::uniform_int_distribution<int64_t>(1, 4)(random);

    EXPECT_EQ(fetches(uses, room), fewest_fetches(uses, room)) << round;
  }
}

TEST(Evictions, OfATransformersForwardAndBackwardAreTheFewest) {
  const std::vector<int32_t> uses = {0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0};
  for (int64_t room = 1; room <= 6; ++room) {
    EXPECT_EQ(fetches(uses, room), fewest_fetches(uses, room)) << room;
    EXPECT_EQ(fetches(uses, room), 12 - room) << room;
  }
}

TEST(Evictions, WithoutForesightTakeTheOneUsedLongestAgo) {
  EXPECT_THAT(
      choose_evictions({{1, 10, SIZE_MAX, 7}, {2, 10, SIZE_MAX, 3}, {3, 10, SIZE_MAX, 5}}, 15),
      ElementsAre(2, 3));
}

TEST(Evictions, LeaveAloneWhatFreesNothing) {
  EXPECT_THAT(choose_evictions({{1, 0, SIZE_MAX, 1}, {2, 10, 0, 2}}, 0), ElementsAre(2));
}

TEST(Fractions, AreOfBytesAndComeAsNearAsChunksAllow) {
  const std::vector<int64_t> bytes = {10, 30, 20, 40};
  constexpr Pool D = Pool::kDevice;
  constexpr Pool H = Pool::kHost;

  EXPECT_THAT(place_fraction(bytes, 0), ElementsAre(D, D, D, D));
  EXPECT_THAT(place_fraction(bytes, 0.25),
              ElementsAre(H, H, D, D));  // 40 is as near as 10, and more goes
  EXPECT_THAT(place_fraction(bytes, 0.1), ElementsAre(H, D, D, D));
  EXPECT_THAT(place_fraction(bytes, 0.45), ElementsAre(H, H, D, D));
  EXPECT_THAT(place_fraction(bytes, 0.55), ElementsAre(H, H, H, D));
  EXPECT_THAT(place_fraction(bytes, 1), ElementsAre(H, H, H, H));
}

}  // namespace
}  // namespace strata::colossalai
