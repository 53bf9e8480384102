// The settings as a line of the log.
#include "shown.hpp"

namespace strata::colossalai {
namespace {

const char* yes_no(bool value) {
  return value ? "true" : "false";
}

std::string precision(const Common& c) {
  const char* name = c.precision == STRATA_F16    ? "fp16"
                     : c.precision == STRATA_BF16 ? "bf16"
                                                  : "fp32";
  std::string out = name;
  if (c.precision == STRATA_F16) {
    out += text(", loss scale from ",
                c.scaler.initial_scale,
                " in [",
                c.scaler.min_scale,
                ", ",
                c.scaler.max_scale,
                "]");
  }
  return out + (c.master_weights ? "" : ", no masters") +
         (c.max_norm > 0 ? text(", max_norm ", c.max_norm) : ", no clipping");
}

std::string plugin(const LowLevelZeroConfig& c) {
  return text("LowLevelZero stage ",
              c.stage,
              ", ",
              precision(c),
              "; buckets of ",
              c.bucket_elements,
              " elements, overlap_communication ",
              yes_no(c.overlap_communication),
              ", overlap_allgather ",
              yes_no(c.overlap_allgather),
              ", cpu_offload ",
              yes_no(c.cpu_offload));
}

std::string plugin(const GeminiConfig& c) {
  const std::string placement = c.auto_placement ? std::string("auto placement")
                                                 : text("static placement, shard_param_frac ",
                                                        c.shard_param_frac,
                                                        ", offload_optim_frac ",
                                                        c.offload_optim_frac,
                                                        ", offload_param_frac ",
                                                        c.offload_param_frac);
  return text("Gemini, ",
              precision(c),
              "; ",
              placement,
              ", max_prefetch ",
              c.max_prefetch,
              ", enable_async_reduce ",
              yes_no(c.async_reduce));
}

}  // namespace

std::string shown(const Settings& settings) {
  return "ColossalAI: " + std::visit([](const auto& c) { return plugin(c); }, settings.plugin);
}

}  // namespace strata::colossalai
