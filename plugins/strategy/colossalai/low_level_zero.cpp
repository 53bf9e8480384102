// Stages 1 and 2 over the kit's buckets.
#include "low_level_zero.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace strata::colossalai {

kit::ParamPlacement LowLevelZero::placement(const strata_param_desc& param,
                                            const kit::Mesh& mesh) const {
  const bool whole_precision = config_.precision == STRATA_F32;
  kit::ParamPlacement out;
  out.mesh = &mesh;
  out.value_dtype = whole_precision ? param.dtype : config_.precision;
  out.master_dtype = param.dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32;
  if (!config_.master_weights) {
    out.master_dtype = out.value_dtype;
  }
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

int32_t LowLevelZero::replicas(int32_t world) const {
  if (world % config_.extra_dp_size != 0) {
    throw config_error(config_.extra_dp_where,
                       "plugin.extra_dp_size = ",
                       config_.extra_dp_size,
                       " does not divide ",
                       world,
                       " rank(s)");
  }
  return static_cast<int32_t>(config_.extra_dp_size);
}

void LowLevelZero::estimate(const strata_estimate_args& args, strata_estimate& out) {
  const int32_t outer = replicas(args.world_size);
  const kit::Mesh mesh(outer, args.world_size / outer);
  kit::BucketedShards shards;
  shards.plan(nullptr, ModelView{args.model}, options(mesh));
  shards.estimate(args, out);
}

void LowLevelZero::setup_env(const strata_setup_args& args) {
  const int32_t outer = replicas(args.world_size);
  mesh_ = kit::Mesh(runtime(), args.rank, outer, args.world_size / outer);
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

void LowLevelZero::stats(const strata_number_sink& out) {
  const auto& memory = service<strata_memory_api>();
  std::array<int64_t, 2> device{};  // now, peak
  std::array<int64_t, 2> host{};
  for (const std::string_view tag :
       {"param", "shard", "grad", "optim", "unit", "unit_grad", "comm"}) {
    // Masters, states and copied gradients are the update's.
    const bool of_update = tag == "shard" || tag == "optim" || tag == "comm";
    auto& pool = config_.cpu_offload && of_update ? host : device;
    int64_t now = 0;
    int64_t peak = 0;
    check(memory.bytes_of_tag(runtime(), view(tag), &now, &peak));
    pool[0] += now;
    pool[1] += peak;
  }
  for (const auto& [name, value] : {std::pair("pool/device_bytes", device[0]),
                                    std::pair("pool/device_peak_bytes", device[1]),
                                    std::pair("pool/host_bytes", host[0]),
                                    std::pair("pool/host_peak_bytes", host[1])}) {
    check(out.put(out.ctx, view(std::string_view(name)), static_cast<double>(value)));
  }
}

}  // namespace strata::colossalai
