// What all stages share: element types of weights and gradients, inputs in half precision.
#pragma once

#include "strata/kit/sharded_units.hpp"

#include "settings/config.hpp"

namespace strata::deepspeed {

/// Weights compute in the configured precision (as made when there is none), masters are fp32 (fp64 for fp64 models).
/// Gradients travel in communication_data_type and are kept in grad_accum_dtype, both fp32 unless told otherwise.
kit::ParamPlacement placement(const DeepSpeedConfig& config,
                              const strata_param_desc& param,
                              const kit::Mesh& mesh);

/// Lets the host cast what inputs_to_half names. In plan_units().
void cast_inputs(const DeepSpeedConfig& config, strata_runtime* runtime);

/// Capabilities by gradient_allreduce_op: a sum is divided by nobody.
strata_strategy_caps base_caps(const DeepSpeedConfig& config);

}  // namespace strata::deepspeed
