// Ranks as a table of replicas by shards: who holds which piece, and over whom a gradient is summed.
#pragma once

#include <cstdint>

#include "strata/cpp/memory.hpp"

namespace strata::kit {

/// World rank = replica * shards + shard. One replica: plain sharding; one shard: plain data parallelism.
class STRATA_HIDDEN Mesh {
 public:
  Mesh() = default;

  /// The shape alone, seen from rank 0: for estimates.
  Mesh(int32_t replicas, int32_t shards) : shards_(shards), replicas_(replicas) {}

  /// Makes the groups. In setup_env(), the same on all ranks. replicas * shards is the world's size.
  Mesh(strata_runtime* runtime, int32_t rank, int32_t replicas, int32_t shards);

  [[nodiscard]] int32_t shards() const { return shards_; }

  [[nodiscard]] int32_t replicas() const { return replicas_; }

  [[nodiscard]] int32_t shard() const { return rank_ % shards_; }

  [[nodiscard]] int32_t replica() const { return rank_ / shards_; }

  [[nodiscard]] bool alone() const { return shards_ * replicas_ == 1; }

  /// The ranks that hold the other shards of this replica.
  [[nodiscard]] const Group& shard_group() const { return shard_group_; }

  /// Sums the gradients of all ranks, each element in rank order, and leaves this rank's shard in place.
  ///
  /// full: shards * count elements; afterwards its slice number shard() holds the sum, the others hold anything.
  /// scratch: as large as `full`, used by hybrid meshes only (needs_scratch()). Returns a work for plain meshes; hybrid
  /// ones are done on return. Collective over all ranks.
  ///
  /// A hybrid mesh cannot add per replica first: (a+b)+(c+d) is not ((a+b)+c)+d. Its ranks collect the raw slices of
  /// their replica, and the replicas pass the growing sum on, one after the other; bytes are those of a reduce-scatter
  /// and an all-reduce over replicas.
  [[nodiscard]] Work reduce(std::byte* full,
                            std::byte* scratch,
                            int64_t count,
                            int32_t dtype) const;

  [[nodiscard]] bool needs_scratch() const { return shards_ > 1 && replicas_ > 1; }

 private:
  void reduce_hybrid(std::byte* full, std::byte* scratch, int64_t count, int32_t dtype) const;

  int32_t rank_ = 0;
  int32_t shards_ = 1;
  int32_t replicas_ = 1;
  Group shard_group_;
  Group replica_group_;
  Group previous_;  // this shard in the replica before and this one
  Group next_;
};

}  // namespace strata::kit
