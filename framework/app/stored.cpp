// Kinds of weights, and those that need Python.
#include "app/stored.hpp"

#include <algorithm>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"

namespace strata::app {
namespace {

namespace fs = std::filesystem;

bool any_entry(const fs::path& folder, bool (*fits)(const fs::path&)) {
  const fs::directory_iterator entries(folder);
  return std::any_of(begin(entries), end(entries), [&](const auto& e) { return fits(e.path()); });
}

bool is_model_states(const fs::path& path) {
  return path.filename().string().ends_with("model_states.pt");
}

bool holds_model_states(const fs::path& path) {
  return fs::is_directory(path) && any_entry(path, &is_model_states);
}

// "" for a folder that is neither.
std::string foreign_kind(const fs::path& folder) {
  if (fs::exists(folder / ".metadata")) {
    return "a distributed checkpoint of PyTorch";
  }
  if (any_entry(folder, &is_model_states) || any_entry(folder, &holds_model_states)) {
    return "a checkpoint of DeepSpeed";
  }
  return "";
}

Stored kind_of_folder(const fs::path& folder) {
  if (checkpoint::is_checkpoint(folder)) {
    return Stored::kCheckpoint;
  }
  if (const std::string foreign = foreign_kind(folder); !foreign.empty()) {
    throw config_error({},
                       folder.string(),
                       " is ",
                       foreign,
                       ", whose pickles need Python: bring it to one file first, by `python3 "
                       "scripts/import_checkpoint.py ",
                       folder.string(),
                       " OUT.safetensors`");
  }
  return Stored::kHuggingFace;
}

}  // namespace

Stored kind_of(const fs::path& path) {
  if (!fs::exists(path)) {
    throw config_error({}, path.string(), ": there is no such file or folder");
  }
  if (fs::is_directory(path)) {
    return kind_of_folder(path);
  }
  if (path.extension() == ".json") {
    return Stored::kHuggingFace;
  }
  return path.extension() == ".safetensors" ? Stored::kSafetensors : Stored::kTorch;
}

std::string text_of(Stored kind) {
  switch (kind) {
    case Stored::kCheckpoint:
      return "a checkpoint";
    case Stored::kHuggingFace:
      return "weights as Hugging Face lays them out";
    case Stored::kSafetensors:
      return "a safetensors file";
    default:
      return "a file of torch.save";
  }
}

}  // namespace strata::app
