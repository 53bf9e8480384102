// A RankedGroup's rounds: posting, waiting, comparing calls, and how waiting ends when a rank is
// gone.
#include "strata/kit/ranked_group.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <utility>

#include <sys/syscall.h>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"
#include "strata/kit/reduce.hpp"

#include "ranked_control.hpp"

namespace strata::kit {
namespace {

using ranked::kSlots;
using Clock = std::chrono::steady_clock;

constexpr int kSpins =
    3000;  // about 50 microseconds: longer than a small message, shorter than a time slice
constexpr int kYields = 5;
constexpr int64_t kNapMs = 100;  // between looks at the peer's life

bool reached(const std::atomic<uint32_t>& counter, uint32_t target) {
  return static_cast<int32_t>(counter.load(std::memory_order_acquire) - target) >= 0;
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spinning for a rank that waits for this processor only delays it.
int spins_for(int ranks) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const bool known = sched_getaffinity(0, sizeof(cpus), &cpus) == 0;
  return known && ranks <= CPU_COUNT(&cpus) ? kSpins : 0;
}

}  // namespace

RankedGroup::RankedGroup(RankedGroupArgs args)
    : args_(std::move(args)),
      group_(reinterpret_cast<ranked::Group*>(args_.memory.data())),
      spins_(spins_for(args_.size)),
      rows_(static_cast<size_t>(args_.size)) {
  if (group_->magic != ranked::kMagic || group_->size != args_.size) {
    throw Error(STRATA_E_COMM,
                text("group \"",
                     args_.name,
                     "\": rank ",
                     args_.rank,
                     " of ",
                     args_.size,
                     " was given memory that belongs to something else"));
  }
  ranked::Rank& mine = control(args_.rank);
  mine.pid.store(getpid(), std::memory_order_relaxed);
  mine.joined.store(1, std::memory_order_release);
  signal();
  for (int peer = 0; peer < args_.size; ++peer) {
    await(peer, control(peer).joined, 1);
  }
  if (args_.processes) {
    watch_peers();
  }
}

RankedGroup::~RankedGroup() {
  control(args_.rank).left.store(1, std::memory_order_release);
  signal();
  for (const int watch : watches_) {
    if (watch >= 0) {
      close(watch);
    }
  }
}

ranked::Rank& RankedGroup::control(int rank) const {
  return reinterpret_cast<ranked::Rank*>(group_ + 1)[rank];
}

std::byte* RankedGroup::slot(int rank, uint32_t round) const {
  const auto slots = static_cast<int64_t>(args_.size) * kSlots;
  std::byte* const first =
      args_.memory.data() + static_cast<int64_t>(args_.memory.size()) - slots * group_->slot_bytes;
  return first + (static_cast<int64_t>(rank) * kSlots + round % kSlots) * group_->slot_bytes;
}

int64_t RankedGroup::share_bytes() const {
  return group_->slot_bytes / args_.size / 64 * 64;
}

void RankedGroup::begin(int32_t kind, int64_t count, int32_t dtype, int32_t detail) {
  if (count < 0) {
    throw Error(STRATA_E_ARGUMENT,
                text("group \"", args_.name, "\": a collective of ", count, " elements"));
  }
  static_cast<void>(size_of(dtype));
  call_ = {count, kind, dtype, detail, call_.sequence + 1};
  if (is_aborted()) {
    throw_aborted();
  }
}

// A slot is free again when all others have taken what was posted in it.
std::byte* RankedGroup::open_round() {
  for (int peer = 0; peer < args_.size; ++peer) {
    if (peer != args_.rank) {
      await(peer, control(peer).done, posted_ + 1 - kSlots);
    }
  }
  return slot(args_.rank, posted_);
}

void RankedGroup::publish_round() {
  ranked::Rank& mine = control(args_.rank);
  mine.calls[posted_ % kSlots] = call_;
  mine.ready.store(++posted_, std::memory_order_release);
  signal();
}

void RankedGroup::await_round() {
  for (int peer = 0; peer < args_.size; ++peer) {
    if (peer != args_.rank) {
      await(peer, control(peer).ready, taken_ + 1);
      compare_call(peer);
    }
  }
}

void RankedGroup::close_round() {
  control(args_.rank).done.store(++taken_, std::memory_order_release);
  signal();
}

void RankedGroup::compare_call(int peer) {
  const Call& theirs = control(peer).calls[taken_ % kSlots];
  if (theirs == call_) {
    return;
  }
  const Call copy = theirs;
  fail(describe_mismatch(args_.rank, call_, peer, copy));
}

// Changes the word that others sleep on, then wakes them if there are any. The exchange is a full
// barrier: either a waiter sees the new state or this rank sees the waiter.
void RankedGroup::signal() {
  ranked::Rank& mine = control(args_.rank);
  mine.event.fetch_add(1, std::memory_order_seq_cst);
  if (mine.waiters.load(std::memory_order_seq_cst) != 0) {
    ranked::wake(mine.event);
  }
}

void RankedGroup::await(int peer, const std::atomic<uint32_t>& counter, uint32_t target) {
  if (reached(counter, target)) {
    return;
  }
  for (int i = 0; i < spins_; ++i) {
    relax();
    if (reached(counter, target)) {
      return;
    }
  }
  for (int i = 0; i < kYields; ++i) {
    sched_yield();
    if (reached(counter, target)) {
      return;
    }
  }
  await_asleep(peer, counter, target);
}

void RankedGroup::await_asleep(int peer, const std::atomic<uint32_t>& counter, uint32_t target) {
  ranked::Rank& theirs = control(peer);

  struct Waiting {
    explicit Waiting(ranked::Rank& r) : rank(r) {
      rank.waiters.fetch_add(1, std::memory_order_seq_cst);
    }

    ~Waiting() { rank.waiters.fetch_sub(1, std::memory_order_relaxed); }

    ranked::Rank& rank;
  };

  const Waiting waiting(theirs);
  const Clock::time_point start = Clock::now();
  const auto limit = std::chrono::milliseconds(args_.timeout_ms);
  for (bool first = true;; first = false) {
    const uint32_t event = theirs.event.load(std::memory_order_seq_cst);
    const bool left = theirs.left.load(std::memory_order_acquire) != 0;
    // Asked before the counter: what a rank posted before it died still counts.
    const bool alive = first || is_alive(peer);
    if (reached(counter, target)) {
      return;
    }
    if (is_aborted()) {
      throw_aborted();
    }
    if (left || !alive) {
      fail(text("rank ",
                peer,
                left ? " has left the group" : " has died",
                " while rank ",
                args_.rank,
                " waits for it in ",
                describe(call_)));
    }
    if (Clock::now() - start > limit) {
      fail(text("rank ",
                peer,
                " did not come within ",
                args_.timeout_ms,
                " ms while rank ",
                args_.rank,
                " waits for it in ",
                describe(call_)));
    }
    ranked::sleep_on(theirs.event, event, std::min(kNapMs, std::max<int64_t>(args_.timeout_ms, 1)));
  }
}

void RankedGroup::watch_peers() {
  watches_.assign(static_cast<size_t>(args_.size), -1);
  for (int peer = 0; peer < args_.size; ++peer) {
    if (peer != args_.rank) {
      const pid_t pid = control(peer).pid.load(std::memory_order_relaxed);
      watches_[static_cast<size_t>(peer)] = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    }
  }
}

bool RankedGroup::is_alive(int peer) const {
  if (!args_.processes || peer == args_.rank) {
    return true;
  }
  // A descriptor tells of the end before the parent has collected the process, and never means
  // another one.
  if (!watches_.empty() && watches_[static_cast<size_t>(peer)] >= 0) {
    pollfd watch{watches_[static_cast<size_t>(peer)], POLLIN, 0};
    return poll(&watch, 1, 0) == 0;
  }
  const pid_t pid = control(peer).pid.load(std::memory_order_relaxed);
  return pid == 0 || kill(pid, 0) == 0 || errno != ESRCH;
}

bool RankedGroup::is_aborted() const {
  return group_->abort_state.load(std::memory_order_acquire) == ranked::kAborted;
}

void RankedGroup::abort(std::string_view reason) noexcept {
  uint32_t expected = ranked::kRunning;
  if (group_->abort_state.compare_exchange_strong(expected, ranked::kReasonBeingWritten)) {
    group_->reason_length =
        static_cast<uint32_t>(std::min<size_t>(reason.size(), ranked::kReasonBytes));
    std::memcpy(group_->reason, reason.data(), group_->reason_length);
    group_->abort_state.store(ranked::kAborted, std::memory_order_release);
  }
  for (int rank = 0; rank < args_.size; ++rank) {
    control(rank).event.fetch_add(1, std::memory_order_seq_cst);
    ranked::wake(control(rank).event);
  }
}

void RankedGroup::fail(const std::string& reason) {
  abort(reason);
  // Another rank may be writing its own reason, which then is the group's.
  for (int i = 0; i < 1000 && !is_aborted(); ++i) {
    sched_yield();
  }
  throw_aborted();
}

void RankedGroup::throw_aborted() const {
  const std::string_view reason = is_aborted()
                                      ? std::string_view(group_->reason, group_->reason_length)
                                      : "the group was aborted";
  throw Error(STRATA_E_COMM,
              text("group \"",
                   args_.name,
                   "\", rank ",
                   args_.rank,
                   " of ",
                   args_.size,
                   ", in ",
                   describe(call_),
                   ": ",
                   reason));
}

}  // namespace strata::kit
