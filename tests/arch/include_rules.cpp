// Reading sources and judging them.
#include "include_rules.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string_view>

namespace strata::arch {
namespace {

namespace fs = std::filesystem;

/// A folder of the host sees those of a lower level. Folders of one level do not see each other.
const std::map<std::string, int>& host_levels() {
  static const std::map<std::string, int> levels = {{"border", 0},
                                                    {"log", 1},
                                                    {"config", 2},
                                                    {"plugin", 3},
                                                    {"registry", 4},
                                                    {"comm", 5},
                                                    {"data", 5},
                                                    {"hooks", 5},
                                                    {"optim", 5},
                                                    {"checkpoint", 5},
                                                    {"unit", 5},
                                                    {"train", 6},
                                                    {"host", 7},
                                                    {"app", 8}};
  return levels;
}

const std::map<std::string, std::set<std::string>>& sdk_layers() {
  static const std::map<std::string, std::set<std::string>> layers = {
      {"abi", {"abi"}},
      {"cpp", {"abi", "cpp"}},
      {"kit", {"abi", "cpp", "kit"}},
      {"torch", {"abi", "cpp", "torch"}}};
  return layers;
}

std::string first_part(const fs::path& path) {
  return path.has_parent_path() ? path.begin()->string() : "";
}

std::string part(const fs::path& path, int index) {
  auto it = path.begin();
  std::advance(it, index);
  return it->string();
}

std::string at(const Source& source, const Include& include, const std::string& what) {
  return source.path.string() + ":" + std::to_string(include.line) + ": " +
         (include.quoted ? "\"" : "<") + include.path + (include.quoted ? "\"" : ">") + " " + what;
}

bool is_torch(const std::string& path) {
  static const std::set<std::string> folders = {"ATen", "c10", "caffe2", "torch"};
  return folders.contains(first_part(path)) || path.starts_with("strata/torch/");
}

std::string text_of(const fs::path& file) {
  const std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

/// The tier of the plugin that the folder is part of; nothing when there is none up to `root`.
std::optional<std::string> tier_of(fs::path folder, const fs::path& root) {
  static const std::regex tier(R"(TIER\s+([a-z-]+))");
  for (; folder != root && folder.has_relative_path(); folder = folder.parent_path()) {
    const std::string text = text_of(folder / "CMakeLists.txt");
    std::smatch found;
    if (text.find("strata_add_plugin(") != std::string::npos) {
      return std::regex_search(text, found, tier) ? found[1].str() : "c";
    }
  }
  return std::nullopt;
}

// plugins/<kind>/<name> of a file somewhere below it.
fs::path plugin_folder(const fs::path& file) {
  fs::path out;
  int parts = 0;
  for (auto it = file.begin(); it != file.end() && parts < 3; ++it, ++parts) {
    out /= *it;
  }
  return out;
}

}  // namespace

Source parse_source(const fs::path& path, const std::string& content) {
  static const std::regex pattern(R"(^\s*#\s*include\s*(["<])([^">]+)[">])");
  Source source;
  source.path = path;
  std::istringstream in(content);
  for (std::string line; std::getline(in, line);) {
    ++source.lines;
    std::smatch found;
    if (std::regex_search(line, found, pattern)) {
      source.includes.push_back({source.lines, found[1] == "\"", found[2]});
    }
  }
  return source;
}

std::vector<Source> read_sources(const fs::path& root, const std::string& folder) {
  static const std::set<std::string> extensions = {".c", ".h", ".cpp", ".hpp", ".cu", ".cuh"};
  std::vector<Source> out;
  const fs::recursive_directory_iterator end;
  for (fs::recursive_directory_iterator it(root / folder); it != end; ++it) {
    const fs::directory_entry& entry = *it;
    if (entry.path().filename() == "build") {  // somebody tries an example
      it.disable_recursion_pending();
    } else if (entry.is_regular_file() && extensions.contains(entry.path().extension().string())) {
      out.push_back(parse_source(entry.path().lexically_relative(root), text_of(entry.path())));
      out.back().may_use_torch = tier_of(entry.path().parent_path(), root) != "c";
    }
  }
  std::ranges::sort(out, {}, &Source::path);
  return out;
}

Problems host_includes(const Source& source) {
  Problems out;
  const auto& levels = host_levels();
  const std::string own = part(source.path, 1);
  if (!levels.contains(own)) {
    return {source.path.string() + ":1: the dependency rule does not know framework/" + own +
            "; give it a level in tests/arch"};
  }
  for (const Include& include : source.includes) {
    const std::string folder = first_part(include.path);
    const auto level = levels.find(folder);
    if (level != levels.end() && folder != own && level->second >= levels.at(own)) {
      const std::string why = "points back: " + own + " does not see ";
      out.push_back(at(source, include, why + folder));
    } else if (include.quoted && level == levels.end() && folder != "strata") {
      out.push_back(at(source, include, "is neither \"strata/…\" nor \"<folder>/<file>\""));
    }
  }
  return out;
}

Problems plugin_includes(const Source& source, const fs::path& root) {
  Problems out;
  for (const Include& include : source.includes) {
    const bool own = include.quoted && include.path.find("..") == std::string::npos &&
                     (fs::exists(root / source.path.parent_path() / include.path) ||
                      fs::exists(root / plugin_folder(source.path) / include.path));
    const std::string folder = first_part(include.path);
    if (folder == "strata" ? !include.quoted : include.quoted && !own) {
      out.push_back(at(source, include, "is neither \"strata/…\" nor a file of this plugin"));
    } else if (!own && host_levels().contains(folder)) {
      out.push_back(at(source, include, "is the host's; a plugin sees the SDK alone"));
    } else if (!source.may_use_torch && is_torch(include.path)) {
      out.push_back(at(source, include, "is LibTorch's, which a plugin of tier c does without"));
    }
  }
  return out;
}

Problems sdk_includes(const Source& source) {
  Problems out;
  const std::string own = part(source.path, 3);  // sdk/include/strata/<own>
  const auto layer = sdk_layers().find(own);
  const bool is_abi = own == "abi" || own == "abi.h";
  for (const Include& include : source.includes) {
    const bool ours = include.quoted && include.path.starts_with("strata/");
    if (include.quoted && !ours) {
      out.push_back(at(source, include, "is not \"strata/…\""));
    } else if (ours && layer != sdk_layers().end() &&
               !layer->second.contains(part(include.path, 1)) && include.path != "strata/abi.h") {
      out.push_back(at(source, include, "points back: " + own + " does not see it"));
    } else if (!ours && is_abi && include.path != "stddef.h" && include.path != "stdint.h") {
      out.push_back(at(source, include, "is more than the border needs: <stddef.h>, <stdint.h>"));
    } else if (!ours && own != "torch" && is_torch(include.path)) {
      out.push_back(at(source, include, "is LibTorch's, which only strata/torch sees"));
    }
  }
  return out;
}

Problems length(const Source& source) {
  const int limit = part(source.path, 0) == "tests" ? 600 : 400;
  if (source.lines <= limit) {
    return {};
  }
  return {source.path.string() + ":" + std::to_string(limit + 1) + ": has " +
          std::to_string(source.lines) + " lines, at most " + std::to_string(limit) +
          " are allowed; split it by what it is about"};
}

}  // namespace strata::arch
