// Costs of flat pieces.
#include "strata/kit/flat_cost.hpp"

namespace strata::kit {
namespace {

// Rank 0's share of Mesh::reduce().
int64_t reduce_bytes(const Mesh& mesh, int64_t shard_bytes) {
  const int64_t n = mesh.shards();
  const int64_t r = mesh.replicas();
  if (n == 1) {
    return 2 * (r - 1) * shard_bytes / r;
  }
  return (n - 1) * shard_bytes + (r > 1 ? shard_bytes : 0);
}

}  // namespace

FlatCost& FlatCost::operator+=(const FlatCost& other) {
  for (auto member : {&FlatCost::param_bytes,
                      &FlatCost::grad_bytes,
                      &FlatCost::optim_bytes,
                      &FlatCost::values,
                      &FlatCost::grads,
                      &FlatCost::scratch,
                      &FlatCost::staged,
                      &FlatCost::gather,
                      &FlatCost::reduce,
                      &FlatCost::publish,
                      &FlatCost::elements}) {
    this->*member += other.*member;
  }
  return *this;
}

FlatCost cost_of(const FlatLayout& layout, const ShardSpec& spec, int64_t states) {
  FlatCost cost;
  const int64_t whole_values = layout.numel() * size_of(spec.value_dtype);
  const int64_t gather = (layout.shards - 1) * layout.shard * size_of(spec.value_dtype);
  const bool aliased = spec.resident && spec.value_dtype == spec.master_dtype && !spec.host_update;
  cost.param_bytes = aliased ? 0 : layout.shard * size_of(spec.master_dtype);
  if (spec.resident) {
    cost.param_bytes += whole_values;
    cost.publish = spec.trainable ? gather : 0;
  } else {
    cost.values = whole_values;
    cost.elements = layout.numel();
    cost.gather = gather;
  }
  if (!spec.trainable) {
    return cost;
  }
  const int64_t whole_grads = layout.numel() * size_of(spec.reduce_dtype);
  cost.grad_bytes = spec.full_grads ? whole_grads : layout.shard * size_of(spec.grad_dtype);
  cost.grads = spec.full_grads ? 0 : whole_grads;
  cost.optim_bytes = layout.shard * (spec.master_dtype == STRATA_F64 ? 8 : 4) * states;
  cost.scratch = spec.mesh->needs_scratch() ? whole_grads : 0;
  cost.staged = spec.host_update ? layout.shard * size_of(spec.master_dtype) : 0;
  cost.reduce = reduce_bytes(*spec.mesh, layout.shard * size_of(spec.reduce_dtype));
  return cost;
}

}  // namespace strata::kit
