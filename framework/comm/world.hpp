// All ranks of a run as the host sees them: groups over a communicator plugin, and helpers for the
// host's own data.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/communicator.h"
#include "strata/abi/services.h"

#include "border/object.hpp"
#include "comm/launch_info.hpp"
#include "comm/store.hpp"

namespace strata::comm {

class World;
using CommunicatorObject = border::Object<strata_communicator_api>;

}  // namespace strata::comm

/// A group of ranks. Owned by its World.
struct strata_group {
  strata::comm::World* world = nullptr;
  const strata::comm::CommunicatorObject* communicator = nullptr;
  void* native = nullptr;  // the communicator's; NULL for a group of one rank
  std::string name;
  int rank = 0;
  int size = 1;
};

/// A collective under way.
struct strata_work {
  strata_group* group = nullptr;
  void* native = nullptr;
};

namespace strata::comm {

struct WorldParts {
  CommunicatorObject communicator;
  CommunicatorObject control;  ///< for the host's own data when `communicator` moves device memory
                               ///< only; else empty
  std::shared_ptr<Store> store;
  std::vector<std::string> hosts;  ///< host_map(); empty: all on one
  bool same_process = false;
  std::string name = "world";  ///< of this world among those that share the store
  strata_device device{STRATA_CPU, 0};
  int64_t timeout_ms = 1'800'000;  ///< of a collective
};

/// The run's ranks. One rank needs no communicator: its collectives copy. strata_runtime::comm
/// points here.
///
/// Thread   [main] and [autograd], one call at a time for each group; abort() at any time.
/// Errors   of collectives: STRATA_E_COMM, a peer is gone, late or out of step; the world is
/// unusable then.
class World {
 public:
  World() = default;

  /// Makes the group of all ranks. Collective.
  World(const LaunchInfo& info, WorldParts parts);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  [[nodiscard]] int rank() const { return world_.rank; }

  [[nodiscard]] int size() const { return world_.size; }

  [[nodiscard]] bool is_main() const { return rank() == 0; }

  [[nodiscard]] strata_group* world() { return &world_; }

  /// The communicator's type, or "none".
  [[nodiscard]] std::string backend() const;

  /// The group of these ranks of the world, ascending; the same for the same ranks. Every rank
  /// calls it, with its own group's ranks. Owned by the world. Errors: STRATA_E_ARGUMENT.
  strata_group* group_new(std::span<const int32_t> ranks);

  // The host's own data, in host memory. Collective.
  void all_reduce_sum(double* values, int64_t n);
  [[nodiscard]] double sum(double value);
  [[nodiscard]] bool any(bool value);
  void broadcast(void* data, int64_t bytes, int root = 0);
  [[nodiscard]] std::string broadcast_text(const std::string& text, int root = 0);
  [[nodiscard]] std::vector<std::string> all_gather_text(const std::string& text);
  void barrier();

  /// Ends every collective of all groups, on all ranks, with this reason. [any]
  void abort(std::string_view reason) noexcept;

  /// Bytes this rank sent since the start, by the cheapest algorithm: all-reduce 2 (N-1)/N of the
  /// message, reduce-scatter, all-gather and all-to-all N-1 slices, broadcast N-1 messages at the
  /// root.
  [[nodiscard]] int64_t bytes_sent() const { return bytes_sent_.load(std::memory_order_relaxed); }

  void count_bytes(int64_t bytes) { bytes_sent_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  void open(strata_group& group,
            std::span<const int32_t> ranks,
            const CommunicatorObject& communicator) const;
  [[nodiscard]] bool on_one_host(std::span<const int32_t> ranks) const;

  strata_group& control() { return control_ != nullptr ? *control_ : world_; }

  WorldParts parts_;
  strata_group world_{this, nullptr, nullptr, "world", 0, 1};
  std::unique_ptr<strata_group> control_;  // of all ranks, for host memory
  std::map<std::vector<int32_t>, std::unique_ptr<strata_group>> groups_;
  int made_ = 0;  // calls of group_new; equal on all ranks
  std::atomic<int64_t> bytes_sent_ = 0;
};

/// The tables behind STRATA_COMM_API and STRATA_STREAM_API.
const strata_comm_api* comm_service();
const strata_stream_api* stream_service();

}  // namespace strata::comm
