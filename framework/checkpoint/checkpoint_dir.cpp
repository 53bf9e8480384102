// Written aside, synced, renamed.
#include "checkpoint/checkpoint_dir.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <regex>
#include <signal.h>
#include <unistd.h>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.json";

template <class F>
auto as_io_error(F&& f) {
  try {
    return f();
  } catch (const fs::filesystem_error& e) {
    throw Error(STRATA_E_IO, e.what());
  }
}

/// A folder that is removed again unless it was given its name.
class Aside {
 public:
  explicit Aside(const fs::path& dir) : path_(aside_of(dir)) {
    fs::remove_all(path_);
    fs::create_directory(path_);
  }

  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  ~Aside() {
    std::error_code ignored;  // what stays is removed by the next save
    fs::remove_all(path_, ignored);
  }

  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

bool is_alive(const std::string& pid) {
  pid_t id = 0;
  std::from_chars(pid.data(), pid.data() + pid.size(), id);
  return id > 0 && id != ::getpid() && (::kill(id, 0) == 0 || errno == EPERM);
}

/// Finishes what a killed process began: unfinished folders go, a folder moved out of the way for a
/// successor that never came moves back.
void tidy(const fs::path& parent) {
  static const std::regex pattern(R"(\.(.+)\.(tmp|old)-([0-9]{1,9}))");
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(parent)) {
    entries.push_back(entry.path());
  }
  for (const fs::path& entry : entries) {
    std::smatch match;
    const std::string name = entry.filename().string();
    if (!std::regex_match(name, match, pattern) || is_alive(match[3])) {
      continue;
    }
    const fs::path target = parent / match[1].str();
    if (match[2] == "old" && !fs::exists(target)) {
      fs::rename(entry, target);
    } else {
      fs::remove_all(entry);
    }
  }
}

/// Puts the folder under its name. One that has the name ends up under `aside`, or is gone.
void publish(const fs::path& aside, const fs::path& dir) {
  if (!fs::exists(dir)) {
    fs::rename(aside, dir);
  } else if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, dir.c_str(), RENAME_EXCHANGE) != 0) {
    // A file system without the exchange: for a moment only ".<name>.old-<pid>" is there, which
    // tidy() knows.
    const fs::path old =
        dir.parent_path() / text(".", dir.filename().string(), ".old-", ::getpid());
    fs::rename(dir, old);
    fs::rename(aside, dir);
    fs::remove_all(old);
  }
  sync_folder(dir.parent_path());
}

fs::path full_path(const fs::path& dir) {
  const fs::path full = fs::absolute(dir).lexically_normal();
  return full.has_filename() ? full : full.parent_path();
}

/// What is replaced is deleted, so it has to be a checkpoint.
void refuse_foreign(const fs::path& dir) {
  const bool folder = fs::is_directory(dir);
  if (fs::exists(dir) && !(folder && (fs::is_empty(dir) || fs::exists(dir / kModel)))) {
    throw Error(STRATA_E_IO,
                text("cannot save the checkpoint ",
                     dir.string(),
                     ": a ",
                     folder ? "folder" : "file",
                     " that is no checkpoint has that name; move it away"));
  }
}

void save(const fs::path& dir, const CheckpointContent& content) {
  refuse_foreign(dir);
  fs::create_directories(dir.parent_path());
  tidy(dir.parent_path());
  const Aside aside(dir);
  write_safetensors(aside.path() / kModel, content.model, content.metadata);
  if (content.optimizer) {
    write_safetensors(aside.path() / kOptimizer, *content.optimizer, content.metadata);
  }
  write_text(aside.path() / kState, content.state);
  publish(aside.path(), dir);
}

uint64_t bytes_of(const CheckpointContent& content) {
  return safetensors_bytes(content.model, content.metadata) + content.state.size() +
         (content.optimizer ? safetensors_bytes(*content.optimizer, content.metadata) : 0);
}

}  // namespace

void save_checkpoint(const fs::path& dir, const CheckpointContent& content) {
  const fs::path full = full_path(dir);
  const uint64_t bytes = bytes_of(content);
  try {
    as_io_error([&] { save(full, content); });
  } catch (Error& e) {
    if (e.code() == STRATA_E_IO) {
      e.add_context(
          text("while saving the checkpoint ", full.string(), ", ", bytes, " bytes in all"));
    }
    throw;
  }
}

void rewrite_state(const fs::path& dir, std::string_view state) {
  const CheckpointPaths paths = open_checkpoint(dir);
  as_io_error([&] { write_text(paths.state, state); });
}

void remove_checkpoint(const fs::path& dir) {
  as_io_error([&] {
    const fs::path full = full_path(dir);
    if (!fs::exists(fs::symlink_status(full))) {
      return;
    }
    if (!fs::is_directory(full) || !fs::exists(full / kModel)) {
      throw Error(STRATA_E_ARGUMENT,
                  text(full.string(), " is no checkpoint: it has no ", kModel, "; not removed"));
    }
    const Aside aside(full);
    fs::rename(full, aside.path());
    sync_folder(full.parent_path());
  });
}

CheckpointPaths open_checkpoint(const fs::path& dir, Need need) {
  const fs::path full = full_path(dir);
  if (!fs::is_directory(full)) {
    throw Error(STRATA_E_NOT_FOUND, text("there is no checkpoint folder ", full.string()));
  }
  CheckpointPaths out{full, full / kModel, full / kOptimizer, full / kState};
  for (const fs::path& file : {out.model, out.state}) {
    if (!fs::is_regular_file(file)) {
      throw Error(STRATA_E_NOT_FOUND,
                  text("the checkpoint ", full.string(), " lacks ", file.filename().string()));
    }
  }
  if (!fs::is_regular_file(out.optimizer)) {
    if (need == Need::kAll) {
      throw Error(STRATA_E_NOT_FOUND,
                  text("the checkpoint ",
                       full.string(),
                       " lacks ",
                       kOptimizer,
                       ": it was saved without the optimizer's state, so it can be loaded "
                       "(load_from) but not resumed"));
    }
    out.optimizer.clear();
  }
  return out;
}

}  // namespace strata::checkpoint
