// Folders of plugins for tests: copies of built ones, whole or damaged.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace strata::plugin {

inline std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

/// A new, empty folder that is removed in the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "strata_plugins_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      ADD_FAILURE() << "no folder " << name;
    }
    path_ = std::filesystem::canonical(name);
  }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  ~Folder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// A copy of the built plugin, under its own name or another.
  std::filesystem::path add(const std::string& plugin, const std::string& as = "") const {
    const std::filesystem::path to = path_ / (as.empty() ? plugin + ".so" : as);
    std::filesystem::copy_file(std::filesystem::path(TEST_PLUGIN_DIR) / (plugin + ".so"), to);
    return to;
  }

  /// A copy in which every `from` is `to`, of the same length.
  std::filesystem::path add_edited(const std::string& plugin,
                                   const std::string& from,
                                   const std::string& to) const {
    std::string bytes = read_bytes(std::filesystem::path(TEST_PLUGIN_DIR) / (plugin + ".so"));
    size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << plugin << " has no " << from;
    EXPECT_EQ(from.size(), to.size());
    for (; at != std::string::npos; at = bytes.find(from, at)) {
      bytes.replace(at, from.size(), to);
    }
    write_bytes(path_ / (plugin + ".so"), bytes);
    return path_ / (plugin + ".so");
  }

 private:
  std::filesystem::path path_;
};

/// What the expression says when it throws; empty when it does not.
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

}  // namespace strata::plugin
