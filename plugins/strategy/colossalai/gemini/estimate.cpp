// What Gemini needs, from layouts and a rehearsal.
#include <algorithm>
#include <numeric>

#include "strata/kit/flat_cost.hpp"
#include "strata/kit/touched.hpp"

#include "gemini.hpp"
#include "rehearsal.hpp"

namespace strata::colossalai {
namespace {

// Automatic placement keeps what it can; the estimate knows no activations.
int64_t bytes_that_stay(const GeminiConfig& config,
                        const ChunkPlan& plan,
                        int32_t ranks,
                        int64_t total) {
  const bool all = config.auto_placement || plan.keep_gathered || ranks == 1;
  return all ? total
             : static_cast<int64_t>(static_cast<double>(total) * (1 - config.shard_param_frac));
}

}  // namespace

void Gemini::estimate(const strata_estimate_args& args, strata_estimate& out) {
  const ModelView model{args.model};
  const auto replicas = static_cast<int32_t>(config_.extra_dp_size);
  const kit::Mesh mesh(replicas, args.world_size / replicas);
  const ChunkPlan plan = plan_chunks(model, config_, mesh.shards());
  std::vector<int64_t> sizes;  // whole, in bytes
  std::vector<kit::FlatCost> costs;
  int64_t beside = 0;  // gradients that do not take the place of values, until the update
  for (const PlannedChunk& chunk : plan.chunks) {
    const kit::ShardSpec spec = {&mesh,
                                 chunk.value_dtype,
                                 chunk.master_dtype,
                                 chunk.value_dtype,
                                 chunk.value_dtype,
                                 true,
                                 false,
                                 false};
    const kit::FlatLayout layout = kit::lay_out(model, chunk.params, mesh.shards());
    costs.push_back(kit::cost_of(layout, spec, args.optim_state_per_element));
    sizes.push_back(costs.back().values);
    const int64_t own = costs.back().grad_bytes;  // as many of values as of gradients
    out.param_bytes += costs.back().param_bytes + (config_.master_weights ? own : 0);
    beside += config_.gradient_accumulation || !config_.master_weights ? own : 0;
    out.optim_bytes += costs.back().optim_bytes;
    out.comm_buffer_bytes = std::max(out.comm_buffer_bytes, costs.back().scratch);
  }
  for (const std::vector<int32_t>& alike : plan.frozen) {
    const kit::FlatLayout layout = kit::lay_out(model, alike, mesh.shards());
    out.param_bytes +=
        layout.numel() *
        size_of(value_dtype(config_, model.params()[static_cast<size_t>(alike.front())]));
  }
  const auto total = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  const Rehearsed played =
      rehearse(model, plan, sizes, bytes_that_stay(config_, plan, mesh.shards(), total));
  out.unit_bytes = played.peak + beside;
  out.sent_bytes_per_step = kit::touched_bytes(model, args.world_size);
  for (size_t c = 0; c < costs.size(); ++c) {
    out.sent_bytes_per_step +=
        args.accumulation * (played.gathers[c] * costs[c].gather + costs[c].reduce);
  }
}

}  // namespace strata::colossalai
