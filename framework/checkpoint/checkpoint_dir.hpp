// A checkpoint: a folder with model.safetensors, optimizer.safetensors and state.json.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.hpp"

namespace strata::checkpoint {

/// What goes into one.
struct CheckpointContent {
  std::vector<TensorSource> model;
  std::optional<std::vector<TensorSource>>
      optimizer;      ///< absent: saved without its state, no resume from it
  std::string state;  ///< JSON
  Metadata metadata;  ///< of both safetensors files
};

/// The files of one on the disk.
struct CheckpointPaths {
  std::filesystem::path dir;
  std::filesystem::path model;
  std::filesystem::path optimizer;  ///< empty when it was saved without
  std::filesystem::path state;
};

/// Writes `dir` ("work_dirs/run/epoch_3"), by one rank. It appears whole: everything is written and
/// synced in a hidden folder beside it first, and one that is there under the name is replaced in
/// one move. What an earlier process left unfinished beside it is removed.
///
/// Errors: STRATA_E_IO with the path and the bytes needed (a full disk, a file where the folder
/// should be); STRATA_E_ARGUMENT of write_safetensors; what a fill() throws. Nothing is left then
/// but what was there before.
void save_checkpoint(const std::filesystem::path& dir, const CheckpointContent& content);

/// Replaces the state of a checkpoint that is there. Errors: STRATA_E_IO; those of open_checkpoint.
void rewrite_state(const std::filesystem::path& dir, std::string_view state);

/// Removes a checkpoint; nothing when there is none. A half-removed one never stands under the
/// name. Errors: STRATA_E_IO; STRATA_E_ARGUMENT for something that is no checkpoint.
void remove_checkpoint(const std::filesystem::path& dir);

enum class Need { kWeights, kAll };

/// Finds the files. Errors: STRATA_E_NOT_FOUND naming what is missing: the folder, a file of it, or
/// the optimizer's when all is needed.
CheckpointPaths open_checkpoint(const std::filesystem::path& dir, Need need = Need::kWeights);

}  // namespace strata::checkpoint
