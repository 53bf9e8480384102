// Reads and writes the one line.
#include "checkpoint/last_checkpoint.hpp"

#include <cerrno>
#include <fstream>
#include <string>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "last_checkpoint";

/// Where a checkpoint is whose process ended while it replaced it (see checkpoint_dir.cpp).
std::optional<fs::path> out_of_the_way(const fs::path& checkpoint) {
  const std::string name = "." + checkpoint.filename().string() + ".old-";
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(checkpoint.parent_path(), missing)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with(name)) {
      return entry.path();
    }
  }
  return std::nullopt;
}

}  // namespace

void write_last(const fs::path& work_dir, const fs::path& checkpoint) {
  write_text(work_dir / kName, fs::absolute(checkpoint).lexically_normal().string() + "\n");
}

std::optional<fs::path> find_last(const fs::path& work_dir) {
  const fs::path file = work_dir / kName;
  std::error_code missing;
  if (!fs::exists(file, missing)) {
    return std::nullopt;
  }
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line) || line.empty()) {
    throw Error(STRATA_E_IO,
                text(file.string(), " is empty or cannot be read; it should name a checkpoint"));
  }
  fs::path named(line);
  if (fs::is_directory(named)) {
    return named;
  }
  fs::path moved = fs::absolute(work_dir / named.filename());
  if (fs::is_directory(moved)) {
    return moved;
  }
  for (const fs::path& place : {named, moved}) {
    if (auto old = out_of_the_way(place); old.has_value()) {
      return old;
    }
  }
  throw Error(STRATA_E_NOT_FOUND,
              text(file.string(),
                   " names the checkpoint ",
                   line,
                   ", which is not there; name another with --resume PATH, or remove the file"));
}

}  // namespace strata::checkpoint
