// Groups of a mesh and the reduction over it.
#include "strata/kit/mesh.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "strata/kit/reduce.hpp"

namespace strata::kit {
namespace {

Group make_group(strata_runtime* runtime, const std::vector<int32_t>& ranks) {
  strata_group* out = nullptr;
  check(service<strata_comm_api>().group_new(
      runtime, ranks.data(), static_cast<int32_t>(ranks.size()), &out));
  return Group(out);
}

}  // namespace

Mesh::Mesh(strata_runtime* runtime, int32_t rank, int32_t replicas, int32_t shards)
    : rank_(rank), shards_(shards), replicas_(replicas) {
  if (alone()) {
    return;
  }
  const auto rank_at = [&](int32_t replica, int32_t shard) { return replica * shards_ + shard; };
  std::vector<int32_t> ranks;
  ranks.reserve(static_cast<size_t>(std::max(shards_, replicas_)));
  for (int32_t s = 0; s < shards_; ++s) {
    ranks.push_back(rank_at(replica(), s));
  }
  shard_group_ = make_group(runtime, ranks);
  ranks.clear();
  for (int32_t r = 0; r < replicas_; ++r) {
    ranks.push_back(rank_at(r, shard()));
  }
  replica_group_ = make_group(runtime, ranks);
  if (!needs_scratch()) {
    return;
  }
  // Every rank takes part in the making of every pair; one outside of it makes a group of itself.
  for (int32_t r = 0; r + 1 < replicas_; ++r) {
    const bool member = replica() == r || replica() == r + 1;
    const Group pair =
        make_group(runtime,
                   member ? std::vector<int32_t>{rank_at(r, shard()), rank_at(r + 1, shard())}
                          : std::vector<int32_t>{rank_});
    if (replica() == r) {
      next_ = pair;
    } else if (replica() == r + 1) {
      previous_ = pair;
    }
  }
}

Work Mesh::reduce(std::byte* full, std::byte* scratch, int64_t count, int32_t dtype) const {
  if (alone()) {
    return {};
  }
  if (shards_ == 1) {
    return replica_group_.all_reduce(full, count, dtype);
  }
  if (replicas_ == 1) {
    return shard_group_.reduce_scatter(full, full + shard() * count * size_of(dtype), count, dtype);
  }
  reduce_hybrid(full, scratch, count, dtype);
  return {};
}

void Mesh::reduce_hybrid(std::byte* full, std::byte* scratch, int64_t count, int32_t dtype) const {
  const int64_t bytes = count * size_of(dtype);
  std::byte* const sum = full + shard() * bytes;
  shard_group_.all_to_all(full, scratch, count, dtype).wait();
  std::vector<const std::byte*> rows;
  if (replica() > 0) {
    previous_.broadcast(sum, count, dtype, 0).wait();
    rows.push_back(sum);
  }
  for (int32_t s = 0; s < shards_; ++s) {
    rows.push_back(scratch + s * bytes);
  }
  reduce_rows(rows, sum, count, dtype, STRATA_SUM);
  if (replica() + 1 < replicas_) {
    next_.broadcast(sum, count, dtype, 0).wait();
  }
  replica_group_.broadcast(sum, count, dtype, replicas_ - 1).wait();
}

}  // namespace strata::kit
