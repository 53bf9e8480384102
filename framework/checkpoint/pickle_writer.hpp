// The pickle of a state dict.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "checkpoint/safetensors.hpp"

namespace strata::checkpoint {

/// A pickle of protocol 2 as torch.save writes it: an OrderedDict of contiguous tensors, the i-th in the storage
/// "data/<i>". Names must be UTF-8. Errors: STRATA_E_ARGUMENT naming a tensor whose elements torch cannot count.
std::string pickle_state_dict(std::span<const TensorSource> tensors);

}  // namespace strata::checkpoint
