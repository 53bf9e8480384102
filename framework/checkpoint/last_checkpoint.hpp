// work_dir/last_checkpoint: one line, the path of the newest checkpoint.
#pragma once

#include <filesystem>
#include <optional>

namespace strata::checkpoint {

/// Points it to a checkpoint that is complete. Errors: STRATA_E_IO.
void write_last(const std::filesystem::path& work_dir, const std::filesystem::path& checkpoint);

/// The checkpoint it names, complete or not; nothing when the work_dir has none yet. A work_dir
/// that was moved together with its checkpoints is understood. Errors: STRATA_E_NOT_FOUND when the
/// checkpoint it names is gone; STRATA_E_IO.
std::optional<std::filesystem::path> find_last(const std::filesystem::path& work_dir);

}  // namespace strata::checkpoint
