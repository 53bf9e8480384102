// Threads of an update: tasks, errors, and the same results however many there are.
#include "optim/chunk_runner.hpp"

#include <atomic>
#include <numeric>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/abi.h"

namespace strata::optim {
namespace {

TEST(Crew, DoesEveryTaskOnceAndAgain) {
  Crew crew(3);
  std::vector<std::atomic<int>> done(100);

  for (int round = 0; round < 50; ++round) {
    crew.each(done.size(), [&](size_t i) { ++done[i]; });
  }

  EXPECT_THAT(std::vector<int>(done.begin(), done.end()), testing::Each(50));
}

TEST(Crew, WorksOnAllItsThreads) {
  Crew crew(2);
  std::atomic<int> here = 0;

  // Each task waits for the other, which one thread alone could not end.
  crew.each(2, [&](size_t) {
    ++here;
    while (here < 2) {
      std::this_thread::yield();
    }
  });

  EXPECT_EQ(here, 2);
}

TEST(Crew, ThrowsWhatATaskThrewAndGoesOn) {
  Crew crew(2);
  const auto task = [](size_t i) {
    if (i == 3) {
      throw Error(STRATA_E_FAILED, "three");
    }
  };

  EXPECT_THROW(crew.each(10, task), Error);
  std::atomic<int> done = 0;
  crew.each(10, [&](size_t) { ++done; });

  EXPECT_EQ(done, 10);
}

/// value += grad * sums[0]; prepare() counts elements.
struct Counting {
  uint32_t flags = 0;
  uint32_t sums = 0;
  bool fails = false;
  std::atomic<int> calls = 0;

  border::Object<strata_optimizer_api> object() {
    static strata_optimizer_api api = {
        {STRATA_HDR(strata_optimizer_api),
         [](void*) {},
         [](void*, strata_str) -> const void* { return nullptr; }},
        [](void* self, strata_optimizer_caps* out) {
          *out = {};
          out->flags = static_cast<Counting*>(self)->flags;
          out->n_sums = static_cast<Counting*>(self)->sums;
          return strata_rc{STRATA_OK};
        },
        [](void* self, const strata_optim_step_args* args) {
          auto* const own = static_cast<Counting*>(self);
          ++own->calls;
          for (uint64_t i = 0; i < args->n_chunks; ++i) {
            const strata_optim_chunk& c = args->chunks[i];
            const float by = own->sums > 0 ? static_cast<float>(c.sums[0]) : 1;
            for (int64_t k = 0; k < c.count; ++k) {
              static_cast<float*>(c.value)[k] += by * static_cast<const float*>(c.grad)[k];
            }
          }
          return own->fails ? border::record(Error(STRATA_E_FAILED, "no update")) : STRATA_OK;
        },
        [](void*, const strata_optim_step_args* args, double* out) {
          for (uint64_t i = 0; i < args->n_chunks; ++i) {
            out[i] = static_cast<double>(args->chunks[i].count);
          }
          return strata_rc{STRATA_OK};
        }};
    return {strata_object{this, &api}, "Counting"};
  }
};

constexpr int64_t kCount = 1'000'000;

struct Memory {
  std::vector<float> value = std::vector<float>(kCount, 1);
  std::vector<float> grad = std::vector<float>(kCount);
  std::vector<uint16_t> copy = std::vector<uint16_t>(kCount);

  Memory() { std::iota(grad.begin(), grad.end(), 0.0F); }

  strata_optim_chunk chunk(int64_t from, int64_t to) {
    strata_optim_chunk out{};
    out.value = value.data() + from;
    out.grad = grad.data() + from;
    out.copy = copy.data() + from;
    out.count = to - from;
    out.value_dtype = out.grad_dtype = out.state_dtype = STRATA_F32;
    out.copy_dtype = STRATA_BF16;
    return out;
  }
};

TEST(ChunkRunner, CutsForThreadsAndUpdatesEveryElementOnce) {
  Memory memory;
  Counting optimizer{.flags = STRATA_OPTIM_CONCURRENT};
  const auto object = optimizer.object();
  Crew crew(2);

  ChunkRunner(object, crew)
      .step(std::vector{memory.chunk(0, 7), memory.chunk(7, kCount)}, {nullptr, 0, 1});

  EXPECT_GT(optimizer.calls, 2);
  for (int64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(memory.value[static_cast<size_t>(i)], 1 + static_cast<float>(i));
  }
}

TEST(ChunkRunner, CallsAnOptimizerThatKnowsNoThreadsOnceAndHere) {
  Memory memory;
  Counting optimizer;
  const auto object = optimizer.object();
  Crew crew(2);

  ChunkRunner(object, crew)
      .step(std::vector{memory.chunk(0, 7), memory.chunk(7, kCount)}, {nullptr, 0, 1});

  EXPECT_EQ(optimizer.calls, 1);
}

TEST(ChunkRunner, WritesTheCopiesOfAnOptimizerThatDoesNot) {
  Memory memory;
  Counting optimizer{.flags = STRATA_OPTIM_CONCURRENT};
  const auto object = optimizer.object();
  Crew crew(2);

  ChunkRunner(object, crew).step(std::vector{memory.chunk(0, kCount)}, {nullptr, 0, 1});

  EXPECT_EQ(memory.copy[0], 0x3F80);           // 1
  EXPECT_EQ(memory.copy[1], 0x4000);           // 2
  EXPECT_EQ(memory.copy[kCount - 1], 0x4974);  // 1e6, rounded
}

TEST(ChunkRunner, LeavesCopiesToAnOptimizerThatWritesThem) {
  Memory memory;
  Counting optimizer{.flags = STRATA_OPTIM_CONCURRENT | STRATA_OPTIM_WRITES_COPY};
  const auto object = optimizer.object();
  Crew crew(2);

  ChunkRunner(object, crew).step(std::vector{memory.chunk(0, kCount)}, {nullptr, 0, 1});

  EXPECT_EQ(memory.copy[0], 0);
}

TEST(ChunkRunner, AddsTheTermsOfAChunksPieces) {
  Memory memory;
  Counting optimizer{.flags = STRATA_OPTIM_CONCURRENT, .sums = 1};
  const auto object = optimizer.object();
  Crew crew(2);

  const auto sums =
      ChunkRunner(object, crew)
          .prepare(std::vector{memory.chunk(0, 7), memory.chunk(7, kCount)}, {nullptr, 0, 1});

  EXPECT_THAT(sums, testing::ElementsAre(7, kCount - 7));
}

TEST(ChunkRunner, ThrowsTheErrorOfAnyThread) {
  Memory memory;
  Counting optimizer{.flags = STRATA_OPTIM_CONCURRENT, .fails = true};
  const auto object = optimizer.object();
  Crew crew(2);

  EXPECT_THROW(
      ChunkRunner(object, crew).step(std::vector{memory.chunk(0, kCount)}, {nullptr, 0, 1}), Error);
}

}  // namespace
}  // namespace strata::optim
