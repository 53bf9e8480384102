// What lies in the memory that the ranks of a RankedGroup share: a header, a control block and
// slots for each rank.
#pragma once

#include <atomic>
#include <cstdint>

#include "strata/kit/call.hpp"

namespace strata::kit::ranked {

constexpr uint32_t kSlots = 4;                   // rounds that a rank's data outlives its posting
constexpr uint64_t kMagic = 0x5354524154414752;  // "STRATAGR"

static_assert(std::atomic<uint32_t>::is_always_lock_free, "shared between processes");

struct alignas(128) Rank {
  std::atomic<uint32_t> ready;    // rounds posted
  std::atomic<uint32_t> done;     // rounds taken from all others
  std::atomic<uint32_t> event;    // changes with any of these; the word that waiters sleep on
  std::atomic<uint32_t> waiters;  // asleep on it, or about to be
  std::atomic<uint32_t> joined;
  std::atomic<uint32_t> left;
  std::atomic<int32_t> pid;
  Call calls[kSlots];
};

enum AbortState : uint32_t { kRunning = 0, kReasonBeingWritten = 1, kAborted = 2 };

constexpr uint32_t kReasonBytes = 1000;

struct alignas(128) Group {
  uint64_t magic;
  int64_t slot_bytes;  // of one slot
  int32_t size;
  std::atomic<uint32_t> abort_state;
  uint32_t reason_length;
  char reason[kReasonBytes];
};

/// Sleeps while the word has this value, for at most timeout_ms. Works between processes.
void sleep_on(std::atomic<uint32_t>& word, uint32_t value, int64_t timeout_ms);

/// Wakes all that sleep on the word.
void wake(std::atomic<uint32_t>& word);

}  // namespace strata::kit::ranked
