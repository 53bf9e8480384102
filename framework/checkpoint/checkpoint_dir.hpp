// A checkpoint: a folder with index.json, state.json and the files of the ranks that wrote tensors.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "checkpoint/index.hpp"

namespace strata::checkpoint {

/// Absolute, normal, without a slash at the end.
std::filesystem::path full_path(const std::filesystem::path& dir);

/// Puts a folder under its name. Both in the same folder, which is to be synced afterwards. Returns where one is now that
/// had the name, to be removed when the disk has its successor; empty when there was none.
/// Errors: STRATA_E_IO; std::filesystem::filesystem_error.
std::filesystem::path move_into_place(const std::filesystem::path& aside,
                                      const std::filesystem::path& dir);

/// A checkpoint on its way to the disk, by the rank that publishes it. Everything is written and
/// synced in a hidden folder beside its place; it appears whole, in one move, or not at all. [any]
class NewCheckpoint {
 public:
  /// dir: "work_dirs/run/epoch_3". Makes the hidden folder, and removes what an earlier process left
  /// unfinished: one of this host that has ended, or of another host that wrote nothing for a day. Errors: STRATA_E_IO: something that is no checkpoint has the name, or the folder
  /// cannot be made.
  explicit NewCheckpoint(const std::filesystem::path& dir);
  NewCheckpoint(const NewCheckpoint&) = delete;
  NewCheckpoint& operator=(const NewCheckpoint&) = delete;
  /// Leaves nothing behind unless publish() was called.
  ~NewCheckpoint();

  [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }

  /// Where the files of all ranks go (write_shard).
  [[nodiscard]] const std::filesystem::path& folder() const { return aside_; }

  /// Adds index and state and gives the folder its name; a checkpoint that had it is replaced. On the
  /// disk when this returns. state: JSON, a table. Errors: STRATA_E_IO.
  void publish(const Index& index, const std::string& state);

 private:
  std::filesystem::path dir_;
  std::filesystem::path aside_;
  bool moved_ = false;
};

/// Replaces the state of a checkpoint that is there. state: JSON, a table. Errors: STRATA_E_IO.
void rewrite_state(const std::filesystem::path& dir, const std::string& state);

/// The state's text, whole and undamaged. Errors: STRATA_E_NOT_FOUND, STRATA_E_IO, STRATA_E_FAILED,
/// all with the file.
std::string read_state(const std::filesystem::path& dir);

/// Removes a checkpoint; nothing when there is none. A half-removed one never stands under the
/// name. Errors: STRATA_E_IO; STRATA_E_ARGUMENT for something that is no checkpoint.
void remove_checkpoint(const std::filesystem::path& dir);

/// Whether the folder is a checkpoint, complete or not.
bool is_checkpoint(const std::filesystem::path& dir);

/// Errors: as read_state(), and those of decode_index().
Index read_index(const std::filesystem::path& dir);

}  // namespace strata::checkpoint
