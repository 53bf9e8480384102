// Element types.
#include "placement.hpp"

#include <string>
#include <vector>

namespace strata::deepspeed {
namespace {

// "fp16", "bf16", "fp32"; anything else: the master's.
int32_t dtype_or(const std::string& name, int32_t master) {
  if (name == "fp16") {
    return STRATA_F16;
  }
  if (name == "bf16") {
    return STRATA_BF16;
  }
  return master;
}

}  // namespace

kit::ParamPlacement placement(const DeepSpeedConfig& config,
                              const strata_param_desc& param,
                              const kit::Mesh& mesh) {
  kit::ParamPlacement out;
  out.mesh = &mesh;
  out.master_dtype = param.dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32;
  out.value_dtype = config.model_dtype() == STRATA_F32 ? param.dtype : config.model_dtype();
  out.grad_dtype = dtype_or(config.grad_accum_dtype, out.master_dtype);
  out.reduce_dtype = config.communication_data_type.empty()
                         ? out.grad_dtype
                         : dtype_or(config.communication_data_type, out.master_dtype);
  return out;
}

void cast_inputs(const DeepSpeedConfig& config, strata_runtime* runtime) {
  const bool all = config.fp16.enabled && config.fp16.auto_cast;
  if (config.model_dtype() == STRATA_F32 || (config.inputs_to_half.empty() && !all)) {
    return;
  }
  std::vector<std::string> texts;
  texts.reserve(config.inputs_to_half.size());
  for (const HalfInput& input : config.inputs_to_half) {
    texts.push_back(input.position >= 0 ? std::to_string(input.position) : input.name);
  }
  std::vector<strata_str> names;
  names.reserve(texts.size());
  for (const std::string& text : texts) {
    names.push_back(view(std::string_view(text)));
  }
  check(service<strata_autograd_api>().cast_inputs(
      runtime, 0, config.model_dtype(), names.data(), all ? 0 : names.size()));
}

strata_strategy_caps base_caps(const DeepSpeedConfig& config) {
  strata_strategy_caps caps{};
  caps.h = STRATA_HDR(strata_strategy_caps);
  caps.averages_itself = config.gradient_allreduce_op == "sum" ? 1 : 0;
  return caps;
}

}  // namespace strata::deepspeed
