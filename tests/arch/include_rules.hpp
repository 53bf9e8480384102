// The dependency rule: who may include what, and how long a file may be.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace strata::arch {

struct Include {
  int line = 0;
  bool quoted = false;  ///< "a/b.hpp", not <a/b.hpp>
  std::string path;
};

/// A source file as the rules see it.
struct Source {
  std::filesystem::path path;  ///< from the root of the tree: framework/unit/model.cpp
  std::vector<Include> includes;
  int lines = 0;
  bool may_use_torch = true;  ///< false in a plugin of tier c
};

Source parse_source(const std::filesystem::path& path, const std::string& content);

/// All C and C++ files below `root`/`folder`. A file belongs to the plugin of the nearest
/// CMakeLists.txt that calls strata_add_plugin.
std::vector<Source> read_sources(const std::filesystem::path& root, const std::string& folder);

/// Each rule answers with lines "file:line: what, and what to do", none when it is kept.
using Problems = std::vector<std::string>;

/// framework/: a folder includes itself, the SDK and the folders below it.
Problems host_includes(const Source& source);

/// plugins/, examples/, sdk/templates/: the SDK, own files (`root` tells which exist), the system.
Problems plugin_includes(const Source& source, const std::filesystem::path& root);

/// sdk/include/: abi sees abi, cpp sees both, kit and torch see all three but not each other.
Problems sdk_includes(const Source& source);

/// At most 400 lines, tests 600.
Problems length(const Source& source);

}  // namespace strata::arch
