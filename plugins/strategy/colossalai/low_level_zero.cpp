// Stages 1 and 2 over the kit's buckets.
#include "low_level_zero.hpp"

#include <string_view>
#include <utility>

namespace strata::colossalai {

kit::ParamPlacement LowLevelZero::placement(const strata_param_desc& param,
                                            const kit::Mesh& mesh) const {
  kit::ParamPlacement out;
  out.mesh = &mesh;
  out.value_dtype = value_dtype(config_, param);
  out.master_dtype = master_dtype(config_, param);
  out.reduce_dtype = config_.communication_dtype.value_or(out.value_dtype);
  out.grad_dtype = config_.stage == 1 ? out.reduce_dtype : out.value_dtype;
  return out;
}

kit::BucketedOptions LowLevelZero::options(const kit::Mesh& mesh) const {
  kit::BucketedOptions out;
  out.placement = [this, &mesh](const strata_param_desc& p) { return placement(p, mesh); };
  out.bucket_elements = config_.bucket_elements;
  out.whole_gradients = config_.stage == 1;
  out.overlap = config_.overlap_communication;
  out.overlap_publish = config_.overlap_allgather;
  out.host_update = config_.cpu_offload;
  out.when_late = "use stage = 2, which adds what comes late";
  return out;
}

void LowLevelZero::estimate(const strata_estimate_args& args, strata_estimate& out) {
  const auto replicas = static_cast<int32_t>(config_.extra_dp_size);
  const kit::Mesh mesh(replicas, args.world_size / replicas);
  kit::BucketedShards shards;
  shards.plan(nullptr, ModelView{args.model}, options(mesh));
  shards.estimate(args, out);
}

void LowLevelZero::setup_env(const strata_setup_args& args) {
  const auto replicas = static_cast<int32_t>(config_.extra_dp_size);
  mesh_ = kit::Mesh(runtime(), args.rank, replicas, args.world_size / replicas);
  if (config_.cpu_offload && args.rank == 0 && args.device.type == STRATA_CPU) {
    info(
        "cpu_offload: this machine has no device, so its memory and the host's are two pools of "
        "one "
        "memory: gradients are copied and bytes accounted as if they were two, nothing is saved");
  }
}

void LowLevelZero::plan_units(const ModelView& model, std::span<strata_unit_plan> plan) {
  shards_.plan(runtime(), model, options(mesh_));
  shards_.fill_plan(plan);
  if (config_.cast_inputs && config_.precision != STRATA_F32) {
    check(service<strata_autograd_api>().cast_inputs(runtime(), 0, config_.precision, nullptr, 0));
  }
}

void LowLevelZero::post_step(const strata_step_ctx& ctx) {
  BucketedStrategy::post_step(ctx);
  if (!config_.cpu_offload) {
    return;
  }
  for (const kit::FlatShard& bucket : shards_.buckets()) {
    const kit::ShardSpec& spec = bucket.spec();
    moved_ += spec.host_update
                  ? bucket.layout().shard * (size_of(spec.grad_dtype) + size_of(spec.value_dtype))
                  : 0;
  }
}

void LowLevelZero::stats(const strata_number_sink& out) {
  const auto& memory = service<strata_memory_api>();
  int64_t device = 0;
  int64_t host = 0;
  for (const std::string_view tag :
       {"param", "shard", "grad", "optim", "unit", "unit_grad", "comm"}) {
    int64_t now = 0;
    int64_t peak = 0;
    check(memory.bytes_of_tag(runtime(), view(tag), &now, &peak));
    // Masters, states and copied gradients are the update's.
    const bool of_update = tag == "shard" || tag == "optim" || tag == "comm";
    (config_.cpu_offload && of_update ? host : device) += peak;
  }
  for (const auto& [name, value] : {std::pair("device_bytes", device),
                                    std::pair("host_bytes", host),
                                    std::pair("moved_bytes", moved_)}) {
    check(out.put(out.ctx, view(std::string_view(name)), static_cast<double>(value)));
  }
}

}  // namespace strata::colossalai
