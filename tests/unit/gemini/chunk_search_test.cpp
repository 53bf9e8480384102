// Chunk sizes against a search that tries everything, and what chunks hold.
#include "chunk_search.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata::colossalai {
namespace {

using testing::ElementsAre;

// Fills real chunks, one list for each.
int64_t waste_by_filling(const std::vector<int64_t>& sizes, int64_t chunk) {
  std::vector<int64_t> fill;
  for (const int64_t size : sizes) {
    if (fill.empty() || fill.back() + size > chunk) {
      fill.push_back(0);
    }
    fill.back() += size;
  }
  return static_cast<int64_t>(fill.size()) * chunk -
         std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
}

// Those that are no larger than the mean and three standard deviations.
std::vector<int64_t> without_outliers(const std::vector<int64_t>& sizes) {
  const auto n = static_cast<double>(sizes.size());
  const double mean = std::accumulate(sizes.begin(), sizes.end(), 0.0) / n;
  const double variance = std::accumulate(sizes.begin(),
                                          sizes.end(),
                                          0.0,
                                          [&](double sum, int64_t s) {
                                            return sum + (static_cast<double>(s) - mean) *
                                                             (static_cast<double>(s) - mean);
                                          }) /
                          n;
  std::vector<int64_t> out;
  for (const int64_t size : sizes) {
    if (static_cast<double>(size) <= mean + 3 * std::sqrt(variance)) {
      out.push_back(size);
    }
  }
  return out;
}

int64_t best_by_trying_all(const std::vector<int64_t>& sizes, const ChunkSearch& search) {
  const std::vector<int64_t> counted = without_outliers(sizes);
  int64_t first = std::max(search.min_size, *std::ranges::max_element(counted));
  while (first % search.stride != 0) {
    ++first;
  }
  std::vector<std::pair<int64_t, int64_t>> tried;  // waste, size
  for (int64_t size = first; size <= first + search.range; size += search.stride) {
    tried.emplace_back(waste_by_filling(counted, size), size);
  }
  return std::ranges::min_element(tried)->second;
}

TEST(ChunkSearch, FindsWhatTryingAllSizesFinds) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<int64_t> sizes(std::uniform_int_distribution<size_t>(1, 40)(random));
    for (int64_t& size : sizes) {
      size = std::uniform_int_distribution<int64_t>(1, round % 3 == 0 ? 30 : 900)(random);
    }
    if (round % 5 == 0) {
      sizes.push_back(100'000);  // counts as an outlier in long lists
    }
    const ChunkSearch search = {std::uniform_int_distribution<int64_t>(1, 40)(random),
                                std::uniform_int_distribution<int64_t>(0, 700)(random),
                                std::uniform_int_distribution<int64_t>(1, 64)(random)};
    if (std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) < search.min_size) {
      continue;
    }

    EXPECT_EQ(search_chunk_size(sizes, search), best_by_trying_all(sizes, search)) << round;
  }
}

TEST(ChunkSearch, PutsASmallModelIntoOneChunk) {
  EXPECT_EQ(search_chunk_size(std::vector<int64_t>{5, 6, 7}, {100, 100, 8}), 18);
}

TEST(ChunkSearch, LetsAnOutlierHaveAChunkOfItsOwnSize) {
  std::vector<int64_t> sizes(30, 10);
  sizes.insert(sizes.begin() + 15, 5000);

  const int64_t size = search_chunk_size(sizes, {10, 90, 10});
  const auto chunks = cut_into_chunks(sizes, size);

  EXPECT_EQ(size, 10);  // wastes nothing
  EXPECT_EQ(chunks.size(), 31U);
  EXPECT_THAT(chunks[15], ElementsAre(15U));
}

TEST(CutIntoChunks, KeepsTheOrderAndSplitsNothing) {
  const auto chunks = cut_into_chunks(std::vector<int64_t>{4, 4, 3, 9, 1, 0, 2}, 8);

  EXPECT_THAT(
      chunks,
      ElementsAre(ElementsAre(0U, 1U), ElementsAre(2U), ElementsAre(3U), ElementsAre(4U, 5U, 6U)));
}

TEST(CutIntoChunks, OfOneElementHaveOneParameterEach) {
  EXPECT_EQ(cut_into_chunks(std::vector<int64_t>{4, 1, 7}, 1).size(), 3U);
}

}  // namespace
}  // namespace strata::colossalai
