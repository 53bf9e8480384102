// Searching for plugins.
#include "plugin/search.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include <sys/stat.h>

#include "strata/abi/core.h"
#include "strata/cpp/error.hpp"

#include "plugin/note.hpp"

namespace strata::plugin {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

fs::path abi_folder(const fs::path& parent) {
  return parent / "plugins" / text("abi-", STRATA_ABI_MAJOR);
}

/// Adds what one file is to `found`.
void examine(const fs::path& file, Trust trust, const Host& host, Found& found) {
  std::optional<Manifest> manifest;
  try {
    const NoteFile note = read_note(file);
    if (!note.has_note) {
      found.skipped.push_back({file, note.why_not});
      return;
    }
    manifest = parse_manifest(note.text, file.filename().string());
    check_file(file, trust);
    check_fits(*manifest, note.machine, host);

    struct stat info{};

    if (::stat(file.c_str(), &info) != 0) {
      throw Error(STRATA_E_IO, "was removed while it was read");
    }
    const auto same_file = [&info](const Candidate& other) {
      return other.device == info.st_dev && other.inode == info.st_ino;
    };
    if (std::ranges::any_of(found.plugins, same_file)) {
      found.skipped.push_back({file, "another name of a file that was found before"});
      return;
    }
    found.plugins.push_back({file, *std::move(manifest), info.st_dev, info.st_ino, note.content});
  } catch (const Error& e) {
    found.refused.push_back({file, e.what(), std::move(manifest)});
  }
}

/// The *.so of a folder by name; a file stands for itself.
std::vector<fs::path> libraries_at(const fs::path& path) {
  std::vector<fs::path> files;
  if (!fs::is_directory(path)) {
    return {path};
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".so") {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

/// Adds what one place for plugins has to `found`.
void scan_place(const fs::path& path, Trust trust, const Host& host, Found& found) {
  if (!path.is_absolute()) {
    found.refused.push_back({path, "a place for plugins must be an absolute path", std::nullopt});
    return;
  }
  std::error_code failed;
  if (!fs::exists(path, failed)) {
    found.skipped.push_back({path, failed ? failed.message() : "does not exist"});
    return;
  }
  try {
    for (const fs::path& file : libraries_at(path)) {
      const fs::path real = fs::canonical(file, failed);
      if (failed) {
        found.refused.push_back({file, text("cannot be opened: ", failed.message()), std::nullopt});
      } else {
        examine(real, trust, host, found);
      }
    }
  } catch (const fs::filesystem_error& e) {
    found.refused.push_back({path, text("cannot be listed: ", e.code().message()), std::nullopt});
  }
}

}  // namespace

Paths search_paths(const Paths& from_config) {
  Paths out = from_config;
  std::istringstream list(environment("STRATA_PLUGIN_PATH"));
  for (std::string entry; std::getline(list, entry, ':');) {
    if (!entry.empty()) {
      out.emplace_back(entry);
    }
  }

  const std::string data_home = environment("XDG_DATA_HOME");
  const std::string home = environment("HOME");
  if (!data_home.empty()) {
    out.push_back(abi_folder(fs::path(data_home) / "strata"));
  } else if (!home.empty()) {
    out.push_back(abi_folder(fs::path(home) / ".local" / "share" / "strata"));
  }

  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    out.push_back(abi_folder(program.parent_path().parent_path() / "lib" / "strata"));
  }
  return out;
}

Found scan(const Paths& paths, Trust trust, const Host& host) {
  Found found;
  for (const fs::path& path : paths) {
    scan_place(path, trust, host, found);
  }
  return found;
}

}  // namespace strata::plugin
