// What kind of weights lie at a path that the user named.
#pragma once

#include <filesystem>
#include <string>

namespace strata::app {

enum class Stored { kCheckpoint, kHuggingFace, kSafetensors, kTorch };

/// By names alone. Errors: STRATA_E_CONFIG when nothing is there, and for folders of DeepSpeed and of PyTorch's distributed
/// checkpoints, with the tool that reads those.
Stored kind_of(const std::filesystem::path& path);

/// "a checkpoint", …
std::string text_of(Stored kind);

}  // namespace strata::app
