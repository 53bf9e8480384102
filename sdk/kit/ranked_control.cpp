// The memory of a RankedGroup: its size, its first state, sleeping and waking on it.
#include "ranked_control.hpp"

#include <algorithm>
#include <climits>
#include <ctime>
#include <new>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "strata/cpp/error.hpp"
#include "strata/kit/ranked_group.hpp"

namespace strata::kit {
namespace ranked {

void sleep_on(std::atomic<uint32_t>& word, uint32_t value, int64_t timeout_ms) {
  const timespec limit{static_cast<time_t>(timeout_ms / 1000),
                       static_cast<long>(timeout_ms % 1000) * 1'000'000};
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &limit, nullptr, 0);
}

void wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace ranked

namespace {

constexpr int64_t kMinRankBytes = int64_t{64} * 1024;

// A multiple of 4096 for one of the slots, so that every slot begins on a page; some room for each
// rank in it.
int64_t one_slot_bytes(int64_t rank_bytes, int size) {
  const int64_t slot = std::max(rank_bytes, kMinRankBytes) / ranked::kSlots;
  return (std::max<int64_t>(slot, size * int64_t{128}) + 4095) / 4096 * 4096;
}

int64_t control_bytes(int size) {
  const auto bytes = static_cast<int64_t>(sizeof(ranked::Group) +
                                          sizeof(ranked::Rank) * static_cast<size_t>(size));
  return (bytes + 4095) / 4096 * 4096;
}

}  // namespace

int64_t ranked_region_bytes(int size, int64_t slot_bytes) {
  return control_bytes(size) +
         size * static_cast<int64_t>(ranked::kSlots) * one_slot_bytes(slot_bytes, size);
}

void ranked_region_init(std::span<std::byte> memory, int size, int64_t slot_bytes) {
  if (static_cast<int64_t>(memory.size()) < ranked_region_bytes(size, slot_bytes)) {
    throw Error(STRATA_E_ARGUMENT,
                text("a region of ", memory.size(), " bytes is too small for ", size, " ranks"));
  }
  auto* group = new (memory.data()) ranked::Group{};
  group->magic = ranked::kMagic;
  group->slot_bytes = one_slot_bytes(slot_bytes, size);
  group->size = size;
  for (int rank = 0; rank < size; ++rank) {
    new (memory.data() + sizeof(ranked::Group) + sizeof(ranked::Rank) * static_cast<size_t>(rank))
        ranked::Rank{};
  }
}

}  // namespace strata::kit
