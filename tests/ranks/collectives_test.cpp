// Every collective of every CPU communicator: right to the bit, whatever the size, type and number
// of ranks.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "strata/cpp/memory.hpp"
#include "strata/kit/float16.hpp"

#include "ranks.hpp"

namespace strata::test {
namespace {

using comm::comm_service;
using comm::World;

// The host as the SDK's Group sees it.
const strata_host* host_with_ranks() {
  static const strata_host host = [] {
    strata_host out = *plain_host();
    out.get = [](strata_str id) -> const void* {
      return border::view(id) == STRATA_COMM_API ? comm_service() : nullptr;
    };
    return out;
  }();
  return &host;
}

// The SDK's Group, every collective waited for at once.
struct Backend {
  Group group;

  void all_reduce(void* data, int64_t count, int32_t dtype, int32_t op = STRATA_SUM) const {
    group.all_reduce(data, count, dtype, op).wait();
  }

  void reduce_scatter(const void* in, void* out, int64_t count, int32_t dtype) const {
    group.reduce_scatter(in, out, count, dtype).wait();
  }

  void all_gather(const void* in, void* out, int64_t count, int32_t dtype) const {
    group.all_gather(in, out, count, dtype).wait();
  }

  void all_to_all(const void* in, void* out, int64_t count, int32_t dtype) const {
    group.all_to_all(in, out, count, dtype).wait();
  }

  void broadcast(void* data, int64_t count, int32_t dtype, int32_t root) const {
    group.broadcast(data, count, dtype, root).wait();
  }
};

// A value whose sum over ranks depends on the order: magnitudes differ by rank, signs alternate.
float value_at(int rank, int64_t i) {
  const auto mixed = static_cast<uint32_t>(i * 2654435761 + int64_t{rank} * 40503);
  const float fraction = 1.F + static_cast<float>(mixed >> 9) / 8388608.F;
  return std::ldexp((mixed & 1U) != 0 ? fraction : -fraction, rank * 5 % 17);
}

std::vector<float> values_of(int rank, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    out[static_cast<size_t>(i)] = value_at(rank, i);
  }
  return out;
}

// x0 + x1 + … in this order, in float.
float sum_at(int world, int64_t i) {
  float sum = value_at(0, i);
  for (int rank = 1; rank < world; ++rank) {
    sum += value_at(rank, i);
  }
  return sum;
}

// The first element that differs from what expected(i) says, or -1.
template <class Expected>
int64_t first_difference(const std::vector<float>& got, Expected expected) {
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::bit_cast<uint32_t>(got[i]) !=
        std::bit_cast<uint32_t>(expected(static_cast<int64_t>(i)))) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

// 0, 1, odd, one round of all-reduce, more than a slot of 256 KiB or 1 MiB, several gloo pieces of
// 8 MiB.
constexpr std::array<int64_t, 6> kSizes = {0, 1, 13, 4'099, 700'001, 2'200'001};

class Collectives : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  [[nodiscard]] static int world() { return std::get<1>(GetParam()); }

  // Sizes that take several pieces, without moving gigabytes through loopback.
  [[nodiscard]] static std::vector<int64_t> sizes() {
    const size_t n = world() > 4 ? kSizes.size() - 1 : kSizes.size();
    return {kSizes.begin(), kSizes.begin() + n};
  }

  static void run(const std::function<void(const Backend&, int)>& body) {
    detail::host = host_with_ranks();
    const RankOptions options{std::get<0>(GetParam()), 60'000};
    run_ranks(
        world(), [&](World& ranks) { body(Backend{Group(ranks.world())}, ranks.rank()); }, options);
  }
};

TEST_P(Collectives, AllReduceAddsInRankOrderToTheBit) {
  run([](const Backend& backend, int rank) {
    for (const int64_t count : sizes()) {
      std::vector<float> data = values_of(rank, count);

      backend.all_reduce(data.data(), count, STRATA_F32);

      ASSERT_EQ(first_difference(data, [](int64_t i) { return sum_at(world(), i); }), -1) << count;
    }
  });
}

TEST_P(Collectives, ReduceScatterGivesEachRankItsSliceEvenInPlace) {
  run([](const Backend& backend, int rank) {
    for (const int64_t total : sizes()) {
      const int64_t count = total / world();
      std::vector<float> in = values_of(rank, count * world());
      const auto expected = [&](int64_t i) { return sum_at(world(), rank * count + i); };
      std::vector<float> out(static_cast<size_t>(count));

      backend.reduce_scatter(in.data(), out.data(), count, STRATA_F32);
      ASSERT_EQ(first_difference(out, expected), -1) << count;

      float* slice = in.data() + rank * count;
      backend.reduce_scatter(in.data(), slice, count, STRATA_F32);
      ASSERT_EQ(first_difference({slice, slice + count}, expected), -1) << count << ", in place";
    }
  });
}

TEST_P(Collectives, AllGatherJoinsTheSlicesEvenInPlace) {
  run([](const Backend& backend, int rank) {
    for (const int64_t total : sizes()) {
      const int64_t count = total / world();
      const std::vector<float> in = values_of(rank, count);
      const auto expected = [&](int64_t i) {
        return value_at(static_cast<int>(i / std::max<int64_t>(count, 1)),
                        i % std::max<int64_t>(count, 1));
      };
      std::vector<float> out(static_cast<size_t>(count * world()));

      backend.all_gather(in.data(), out.data(), count, STRATA_F32);
      ASSERT_EQ(first_difference(out, expected), -1) << count;

      std::vector<float> place(out.size());
      std::ranges::copy(in, place.begin() + rank * count);
      backend.all_gather(place.data() + rank * count, place.data(), count, STRATA_F32);
      ASSERT_EQ(first_difference(place, expected), -1) << count << ", in place";
    }
  });
}

TEST_P(Collectives, BroadcastCopiesFromEveryRoot) {
  run([](const Backend& backend, int rank) {
    for (const int64_t count : sizes()) {
      const int root = static_cast<int>(count) % world();
      std::vector<float> data = values_of(rank, count);

      backend.broadcast(data.data(), count, STRATA_F32, root);

      ASSERT_EQ(first_difference(data, [&](int64_t i) { return value_at(root, i); }), -1) << count;
    }
  });
}

TEST_P(Collectives, AllToAllSendsSliceRToRankR) {
  run([](const Backend& backend, int rank) {
    for (const int64_t total : sizes()) {
      const int64_t count = total / world();
      const std::vector<float> in = values_of(rank, count * world());
      std::vector<float> out(in.size());

      backend.all_to_all(in.data(), out.data(), count, STRATA_F32);

      const auto expected = [&](int64_t i) {
        return value_at(static_cast<int>(i / count), rank * count + i % count);
      };
      ASSERT_EQ(first_difference(out, expected), -1) << count;
    }
  });
}

template <class T>
void expect_sum_max_min(const Backend& backend, int rank, int world, int32_t dtype) {
  std::vector<T> sum(1'000, static_cast<T>(rank + 1));
  std::vector<T> max = sum;
  std::vector<T> min = sum;

  backend.all_reduce(sum.data(), 1'000, dtype);
  backend.all_reduce(max.data(), 1'000, dtype, STRATA_MAX);
  backend.all_reduce(min.data(), 1'000, dtype, STRATA_MIN);

  const int all_ranks = world * (world + 1) / 2;
  EXPECT_EQ(sum, std::vector<T>(1'000, static_cast<T>(all_ranks))) << dtype;
  EXPECT_EQ(max, std::vector<T>(1'000, static_cast<T>(world))) << dtype;
  EXPECT_EQ(min, std::vector<T>(1'000, static_cast<T>(1))) << dtype;
}

TEST_P(Collectives, ReduceEveryElementTypeByEveryOperation) {
  run([](const Backend& backend, int rank) {
    expect_sum_max_min<uint8_t>(backend, rank, world(), STRATA_U8);
    expect_sum_max_min<int8_t>(backend, rank, world(), STRATA_I8);
    expect_sum_max_min<int32_t>(backend, rank, world(), STRATA_I32);
    expect_sum_max_min<int64_t>(backend, rank, world(), STRATA_I64);
    expect_sum_max_min<float>(backend, rank, world(), STRATA_F32);
    expect_sum_max_min<double>(backend, rank, world(), STRATA_F64);

    const float world_sum = static_cast<float>(world() * (world() + 1)) / 2;
    const kit::Half half = kit::to_half(static_cast<float>(rank + 1));
    const kit::BFloat16 bfloat = kit::to_bfloat16(static_cast<float>(rank + 1));
    std::vector<uint16_t> halves(1'000, half.bits);
    std::vector<uint16_t> bfloats(1'000, bfloat.bits);
    backend.all_reduce(halves.data(), 1'000, STRATA_F16);
    backend.all_reduce(bfloats.data(), 1'000, STRATA_BF16);
    EXPECT_EQ(halves, std::vector<uint16_t>(1'000, kit::to_half(world_sum).bits));
    EXPECT_EQ(bfloats, std::vector<uint16_t>(1'000, kit::to_bfloat16(world_sum).bits));

    std::vector<uint8_t> flags = {static_cast<uint8_t>(rank == 0 ? 1 : 0), 0, 1};
    backend.all_reduce(flags.data(), 3, STRATA_BOOL);
    EXPECT_EQ(flags, (std::vector<uint8_t>{1, 0, 1}));
  });
}

TEST_P(Collectives, KeepTheirOrderOverManySmallCalls) {
  run([](const Backend& backend, int rank) {
    for (int i = 0; i < 200; ++i) {
      double value = rank + i;
      backend.all_reduce(&value, 1, STRATA_F64);
      ASSERT_EQ(value, world() * i + world() * (world() - 1) / 2.0);
      if (i % 7 == 0) {
        backend.group.barrier();
      }
    }
  });
}

std::string name_of(const testing::TestParamInfo<Collectives::ParamType>& test) {
  return std::get<0>(test.param) + "_" + std::to_string(std::get<1>(test.param));
}

INSTANTIATE_TEST_SUITE_P(Threads,
                         Collectives,
                         testing::Combine(testing::Values("threads"),
                                          testing::Values(1, 2, 3, 4, 8)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Shm,
                         Collectives,
                         testing::Combine(testing::Values("shm"), testing::Values(2, 3, 8)),
                         name_of);
#if STRATA_TEST_GLOO
INSTANTIATE_TEST_SUITE_P(Gloo,
                         Collectives,
                         testing::Combine(testing::Values("gloo"), testing::Values(2, 3, 4)),
                         name_of);
#endif

}  // namespace
}  // namespace strata::test
