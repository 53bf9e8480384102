// One file of a checkpoint for others: chosen parts, named after their content.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace strata::checkpoint {

/// Writes "<folder's name without .pth>-<first 8 digits of its SHA-256>.safetensors" beside the
/// checkpoint and returns its path. What the keys stand for: strata_runner_api.publish_checkpoint; a
/// part that the checkpoint lacks is left out. Nothing of the size of a tensor is allocated.
///
/// Errors: STRATA_E_ARGUMENT for an unknown key; those of opening the checkpoint and of
/// write_safetensors.
std::filesystem::path publish(const std::filesystem::path& checkpoint,
                              const std::vector<std::string>& keys);

}  // namespace strata::checkpoint
