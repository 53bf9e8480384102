// An allocator that counts.
#include "unit/tensor_memory.hpp"

#include <atomic>
#include <malloc.h>
#include <mutex>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

namespace strata::unit {
namespace {

// One per process, as the allocator that it belongs to; LibTorch's deleters have no argument but the memory.
std::atomic<int64_t> g_now{0};      // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<int64_t> g_peak{0};     // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> g_tracks{false};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

c10::Allocator& behind() {
  return *c10::GetDefaultCPUAllocator();
}

void count(void* data) {
  const auto bytes = static_cast<int64_t>(malloc_usable_size(data));
  const int64_t now = g_now.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t peak = g_peak.load(std::memory_order_relaxed);
  while (now > peak && !g_peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

void free_counted(void* data) {
  g_now.fetch_sub(static_cast<int64_t>(malloc_usable_size(data)), std::memory_order_relaxed);
  behind().raw_deallocate(data);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const data = behind().raw_allocate(bytes);
    count(data);
    return {data, data, &free_counted, c10::Device(c10::DeviceType::CPU)};
  }

  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &free_counted; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void track_tensor_memory() {
  constexpr uint8_t kBeforeTheDefault = 1;
  static std::once_flag once;
  std::call_once(once, [] {
    c10::SetCPUAllocator(new CountingAllocator, kBeforeTheDefault);
  });  // LibTorch owns it
  g_tracks.store(true, std::memory_order_relaxed);
}

bool tracks_tensor_memory() {
  return g_tracks.load(std::memory_order_relaxed);
}

Account tensor_memory() {
  return {g_now.load(std::memory_order_relaxed), g_peak.load(std::memory_order_relaxed)};
}

void reset_tensor_peak() {
  g_peak.store(g_now.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace strata::unit
