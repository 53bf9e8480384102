// Checkpoints whose content a test can foresee, and what is in a folder of them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace strata::test {

/// Saves as a run does, and tells the journal about it. Versions rise from 1, one for each save and refresh:
///   "begin V NAME"
///   "published V NAME"  the folder must have that version from here on, or a newer one
///   "last V NAME"       so must the folder that last_checkpoint leads to
///   "removing 0 NAME"   the folder may go
class Saver {
 public:
  explicit Saver(std::filesystem::path work_dir, int first_version = 1)
      : work_dir_(std::move(work_dir)), version_(first_version) {}

  enum class Last { kUpdate, kKeep };

  /// Weights, optimizer and state under a name.
  void save(const std::string& name, Last last = Last::kUpdate);
  /// New state to the weights that are there. last: it is the one that last_checkpoint leads to.
  void refresh(const std::string& name, Last last = Last::kUpdate);
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
  std::optional<int> last;              ///< the version that last_checkpoint leads to
  std::map<std::string, int> versions;  ///< of all checkpoints, by name
  std::string
      problem;  ///< why it cannot go on, or what stands there that is no whole checkpoint; empty: nothing
};

Found look(const std::filesystem::path& work_dir);

}  // namespace strata::test
