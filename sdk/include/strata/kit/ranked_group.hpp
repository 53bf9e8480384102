// Collectives of ranks that see the same memory: processes with a shared mapping, or threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/kit/call.hpp"

namespace strata::kit {

namespace ranked {
struct Group;
struct Rank;
}  // namespace ranked

/// Memory that a group of `size` ranks needs, `slot_bytes` of it for each rank's data (64 KiB at
/// least).
int64_t ranked_region_bytes(int size, int64_t slot_bytes);

/// Prepares the memory, before any rank joins. memory: zeroed, at a multiple of 128,
/// ranked_region_bytes() long.
void ranked_region_init(std::span<std::byte> memory, int size, int64_t slot_bytes);

struct RankedGroupArgs {
  std::span<std::byte> memory;   ///< the same bytes on all ranks, prepared by one of them
  std::shared_ptr<void> keeper;  ///< what keeps it mapped
  std::string name;              ///< for messages
  int rank = 0;
  int size = 1;
  int64_t timeout_ms = 1'800'000;  ///< of one collective
  bool processes = false;          ///< ranks are processes: watch that they live
};

/// One rank's end of the group. Contracts of the collectives: strata_comm_api; they return when
/// done.
///
/// A message goes through the memory in rounds: each rank posts a piece into one of its slots,
/// waits for the others' pieces and takes what it needs. Four slots let a rank be ahead of the
/// others by some rounds. An all-reduce of little data takes one round, of more two for each piece:
/// every rank adds up its slice, then collects the others'. A rank spins for some microseconds,
/// then sleeps.
///
/// Every rank that waits ends with STRATA_E_COMM when ranks call different collectives, a rank has
/// left or died, abort() was called anywhere, or the timeout has passed; all say the same reason.
/// Thread   one call at a time; abort() at any time.
class RankedGroup {
 public:
  /// Waits for all ranks to join.
  explicit RankedGroup(RankedGroupArgs args);
  RankedGroup(const RankedGroup&) = delete;
  RankedGroup& operator=(const RankedGroup&) = delete;
  ~RankedGroup();

  void all_reduce(void* data, int64_t count, int32_t dtype, int32_t op);
  void reduce_scatter(const void* in, void* out, int64_t count, int32_t dtype, int32_t op);
  void all_gather(const void* in, void* out, int64_t count, int32_t dtype);
  void broadcast(void* data, int64_t count, int32_t dtype, int32_t root);
  void all_to_all(const void* in, void* out, int64_t count, int32_t dtype);
  void barrier();
  void abort(std::string_view reason) noexcept;

 private:
  class LargeReduce;

  [[nodiscard]] ranked::Rank& control(int rank) const;
  [[nodiscard]] std::byte* slot(int rank, uint32_t round) const;
  [[nodiscard]] int64_t share_bytes() const;  // of a slot, for each rank

  void begin(int32_t kind, int64_t count, int32_t dtype, int32_t detail);
  std::byte* open_round();
  void publish_round();
  void await_round();
  void close_round();
  template <class Post, class Take>
  void pipeline(int64_t pieces, Post post, Take take);
  void all_reduce_small(std::byte* data, int64_t count, int32_t dtype, int32_t op);
  void all_reduce_large(std::byte* data, int64_t count, int32_t dtype, int32_t op);

  void await(int peer, const std::atomic<uint32_t>& counter, uint32_t target);
  void await_asleep(int peer, const std::atomic<uint32_t>& counter, uint32_t target);
  void signal();
  void compare_call(int peer);
  void watch_peers();
  [[nodiscard]] bool is_alive(int peer) const;
  [[nodiscard]] bool is_aborted() const;
  [[noreturn]] void fail(const std::string& reason);
  [[noreturn]] void throw_aborted() const;

  RankedGroupArgs args_;
  ranked::Group* group_ = nullptr;
  Call call_;            // the running or last one
  uint32_t posted_ = 0;  // rounds since the start, modulo 2^32
  uint32_t taken_ = 0;
  int spins_ = 0;
  std::vector<int> watches_;            // a pidfd for each rank, or -1
  std::vector<const std::byte*> rows_;  // scratch of the reductions
};

}  // namespace strata::kit
