// Counts what LibTorch's CPU allocator gives out, while it lives.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include <c10/core/CPUAllocator.h>

namespace strata::testing {

/// In place of the CPU allocator from construction to destruction; memory may outlive it. Of one
/// thread.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() { c10::SetCPUAllocator(this, kPriority); }

  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, kPriority); }

  c10::DataPtr allocate(size_t n) override {
    counts_->given += n;
    counts_->now += n;
    counts_->peak = std::max(counts_->peak, counts_->now);
    c10::DataPtr memory = inner_->allocate(n);
    void* const data = memory.get();
    auto* const block = new Block{std::move(memory), counts_, n};
    return {data, block, &release, c10::kCPU};
  }

  void copy_data(void* dest, const void* src, std::size_t count) const override {
    inner_->copy_data(dest, src, count);
  }

  /// Bytes given out since construction.
  [[nodiscard]] size_t given() const { return counts_->given; }

  /// Bytes given out and not given back.
  [[nodiscard]] size_t now() const { return counts_->now; }

  /// The most of now() since the last call.
  size_t take_peak() { return std::exchange(counts_->peak, counts_->now); }

 private:
  static constexpr uint8_t kPriority = 255;

  struct Counts {
    size_t given = 0;
    size_t now = 0;
    size_t peak = 0;
  };

  struct Block {
    c10::DataPtr memory;
    std::shared_ptr<Counts> counts;
    size_t bytes;
  };

  static void release(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->counts->now -= block->bytes;
  }

  c10::Allocator* inner_ = c10::GetCPUAllocator();
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

}  // namespace strata::testing
