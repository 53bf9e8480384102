// Where plugins are looked for, and what lies there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "plugin/checks.hpp"
#include "plugin/manifest.hpp"

namespace strata::plugin {

using Paths = std::vector<std::filesystem::path>;

/// A plugin that may be loaded.
struct Candidate {
  std::filesystem::path file;  ///< canonical
  Manifest manifest;
  dev_t device = 0;
  ino_t inode = 0;
  std::string content;  ///< tells builds apart, see NoteFile
};

/// A plugin, or a place for some, that may not.
struct Refusal {
  std::filesystem::path file;
  std::string reason;
  std::optional<Manifest> manifest;  ///< when its note could be read
};

struct Skip {
  std::filesystem::path file;
  std::string reason;
};

struct Found {
  std::vector<Candidate> plugins;  ///< in the order of the paths, then by file name; each file once
  std::vector<Refusal> refused;
  std::vector<Skip> skipped;  ///< files that are no plugins at all
};

/// The config's own paths (folders or files), then STRATA_PLUGIN_PATH, the user's folder
/// ($XDG_DATA_HOME/strata/plugins/abi-0) and the one beside this program
/// (../lib/strata/plugins/abi-0). The environment is ignored under elevated privileges.
Paths search_paths(const Paths& from_config);

/// Reads the notes of all *.so at these paths and checks them. Runs nothing of them.
/// A path that is not absolute is refused: the current directory is never searched.
Found scan(const Paths& paths, Trust trust = Trust::kNormal, const Host& host = this_host());

}  // namespace strata::plugin
