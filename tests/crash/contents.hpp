// Checkpoints whose content a test can foresee, and what is in a folder of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace strata::test {

/// Saves as a run does, and tells the journal about it: "begin V" and, when `version` must never be lost again,
/// "published V". Versions rise from 1.
class Saver {
 public:
  explicit Saver(std::filesystem::path work_dir, int first_version = 1)
      : work_dir_(std::move(work_dir)), version_(first_version) {}

  /// Weights, optimizer and state under a name; last_checkpoint points to it.
  void save(const std::string& name);
  /// New state to the weights that are there.
  void refresh(const std::string& name);
  void remove(const std::string& name) const;

 private:
  int next(const std::string& name);

  std::filesystem::path work_dir_;
  int version_;
};

/// The version of a checkpoint, which is complete and has every byte that was saved as that version under that name.
/// Throws strata::Error of whoever reads it, std::runtime_error for other contents.
int version_of(const std::filesystem::path& checkpoint);

/// What a new run finds in a work_dir.
struct Found {
  std::optional<int> last;  ///< the version that last_checkpoint leads to
  std::string problem;      ///< why it cannot go on, or what stands there that is no whole checkpoint; empty: nothing
};

Found look(const std::filesystem::path& work_dir);

}  // namespace strata::test
