// The account of all tensors of the process.
#include "unit/tensor_memory.hpp"

#include <thread>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

namespace strata::unit {
namespace {

constexpr int64_t kMiB = 1 << 20;

at::Tensor megabytes(int64_t n) {
  return at::empty({n * kMiB}, at::TensorOptions().dtype(at::kByte));
}

class TensorMemory : public ::testing::Test {
 protected:
  TensorMemory() { track_tensor_memory(); }

  /// Bytes more than at the start of the test, in whole megabytes.
  [[nodiscard]] int64_t grown() const { return (tensor_memory().now - before_) / kMiB; }

 private:
  int64_t before_ = (track_tensor_memory(), tensor_memory().now);
};

TEST_F(TensorMemory, CountsWhatTensorsHoldNowAndAtTheirPeak) {
  reset_tensor_peak();
  const int64_t peak = tensor_memory().peak;
  at::Tensor kept = megabytes(3);
  megabytes(5);

  EXPECT_EQ(grown(), 3);
  EXPECT_EQ((tensor_memory().peak - peak) / kMiB, 8);

  reset_tensor_peak();
  EXPECT_EQ(tensor_memory().peak, tensor_memory().now);
  kept.reset();
  EXPECT_EQ(grown(), 0);
}

TEST_F(TensorMemory, FollowsAStorageThatGrows) {
  at::Tensor t = megabytes(1);
  t.fill_(7);

  t.resize_({6 * kMiB});

  EXPECT_EQ(grown(), 6);
  EXPECT_EQ(t[kMiB - 1].item<int>(), 7);
  t.reset();
  EXPECT_EQ(grown(), 0);
}

TEST_F(TensorMemory, LeavesMemoryOfOthersToTheirDeleter) {
  std::vector<float> own(kMiB);
  bool freed = false;
  at::from_blob(own.data(), {kMiB}, [&freed](void*) { freed = true; });

  EXPECT_TRUE(freed);
  EXPECT_EQ(grown(), 0);
}

TEST_F(TensorMemory, KeepsAlignmentAndRawUse) {
  c10::Allocator& allocator = *c10::GetCPUAllocator();
  void* const raw = allocator.raw_allocate(2 * kMiB);

  EXPECT_EQ(reinterpret_cast<uintptr_t>(raw) % 64, 0U);
  EXPECT_EQ(grown(), 2);
  allocator.raw_deallocate(raw);
  EXPECT_EQ(grown(), 0);
  EXPECT_EQ(allocator.allocate(0).get(), nullptr);
}

TEST_F(TensorMemory, CountsAllThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 500; ++k) {
        at::zeros({100 + k});
      }
    });
  }
  at::Tensor kept;
  threads.emplace_back([&kept] { kept = megabytes(2); });
  for (std::thread& t : threads) {
    t.join();
  }

  EXPECT_EQ(grown(), 2);
}

TEST_F(TensorMemory, IsWhatTheMemoryServiceTells) {
  Memory memory(false);
  strata_runtime rt;
  rt.memory = &memory;
  const at::Tensor kept = megabytes(4);
  strata_memory_stats stats = {STRATA_HDR(strata_memory_stats), 0, 0};

  ASSERT_EQ(memory_service()->stats(&rt, &stats), STRATA_OK);

  EXPECT_EQ(stats.allocated, tensor_memory().now);
  EXPECT_EQ(stats.peak_allocated, tensor_memory().peak);
  ASSERT_EQ(memory_service()->reset_peak(&rt), STRATA_OK);
  EXPECT_EQ(tensor_memory().peak, tensor_memory().now);
}

}  // namespace
}  // namespace strata::unit
