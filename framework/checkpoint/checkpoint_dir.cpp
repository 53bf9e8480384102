// Folders that are made aside, synced, renamed.
#include "checkpoint/checkpoint_dir.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <regex>
#include <unistd.h>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "checkpoint/sealed.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexFile = "index.json";
constexpr const char* kState = "state.json";

template <class F>
auto as_io_error(F&& f) {
  try {
    return f();
  } catch (const fs::filesystem_error& e) {
    throw Error(STRATA_E_IO, e.what());
  }
}

/// Of this host alone: elsewhere the number is another process's.
bool is_alive(const std::string& pid) {
  pid_t id = 0;
  std::from_chars(pid.data(), pid.data() + pid.size(), id);
  return id > 0 && id != ::getpid() && (::kill(id, 0) == 0 || errno == EPERM);
}

/// Whether something was written to it within a day: how long a process of another host is taken for alive. One whose
/// files come and go meanwhile is.
bool is_recent(const fs::path& entry) {
  constexpr std::chrono::hours kDay(24);
  try {
    fs::file_time_type last = fs::last_write_time(entry);
    if (fs::is_directory(entry)) {
      for (const auto& file : fs::directory_iterator(entry)) {
        last = std::max(last, file.last_write_time());
      }
    }
    return fs::file_time_type::clock::now() - last < kDay;
  } catch (const fs::filesystem_error&) {
    return true;
  }
}

/// Finishes what a killed process began: unfinished folders go, a folder moved out of the way for a
/// successor that never came moves back.
void tidy(const fs::path& parent) {
  static const std::regex pattern(R"(\.(.+)\.(tmp|old)-(.+)-([0-9]{1,9}))");
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(parent)) {
    entries.push_back(entry.path());
  }
  bool synced = false;
  for (const fs::path& entry : entries) {
    std::smatch match;
    const std::string name = entry.filename().string();
    if (!std::regex_match(name, match, pattern) ||
        (match[3] == host_name() ? is_alive(match[4]) : is_recent(entry))) {
      continue;
    }
    const fs::path target = parent / match[1].str();
    if (match[2] == "old" && !fs::exists(target)) {
      fs::rename(entry, target);
      continue;
    }
    if (!std::exchange(synced, true)) {
      sync_folder(parent);  // the disk may still have it in the place from which it was moved
    }
    fs::remove_all(entry);
  }
}

bool lacks_exchange(int error) {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

/// For a moment only the one that is replaced is there, under a name that find_last() and tidy()
/// know. Returns it.
fs::path replace_in_two_moves(const fs::path& aside, const fs::path& dir) {
  fs::path old =
      dir.parent_path() / text(".", dir.filename().string(), ".old-", host_name(), "-", ::getpid());
  fs::rename(dir, old);
  try {
    fs::rename(aside, dir);
  } catch (...) {
    std::error_code ignored;  // then tidy() will
    fs::rename(old, dir, ignored);
    throw;
  }
  return old;
}

/// What is replaced is deleted, so it has to be a checkpoint.
void refuse_foreign(const fs::path& dir) {
  const bool folder = fs::is_directory(dir);
  if (fs::exists(dir) && !(folder && (fs::is_empty(dir) || is_checkpoint(dir)))) {
    throw Error(STRATA_E_IO,
                text("cannot save the checkpoint ",
                     dir.string(),
                     ": a ",
                     folder ? "folder" : "file",
                     " that is no checkpoint has that name; move it away"));
  }
}

void write_in_folder(const fs::path& file, const std::string& content) {
  FileOut out(file, content.size(), Place::kInFolder);
  out.write(content);
  out.commit();
}

fs::path existing(const fs::path& dir, const char* file) {
  const fs::path full = full_path(dir);
  if (!fs::is_directory(full)) {
    throw Error(STRATA_E_NOT_FOUND, text("there is no checkpoint folder ", full.string()));
  }
  if (!fs::is_regular_file(full / file)) {
    throw Error(STRATA_E_NOT_FOUND, text("the checkpoint ", full.string(), " lacks ", file));
  }
  return full / file;
}

}  // namespace

fs::path move_into_place(const fs::path& aside, const fs::path& dir) {
  if (!fs::exists(dir)) {
    fs::rename(aside, dir);
    return {};
  }
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, dir.c_str(), RENAME_EXCHANGE) == 0) {
    return aside;
  }
  if (!lacks_exchange(errno)) {
    throw_errno("cannot replace", dir, errno);
  }
  return replace_in_two_moves(aside, dir);
}

fs::path full_path(const fs::path& dir) {
  const fs::path full = fs::absolute(dir).lexically_normal();
  return full.has_filename() ? full : full.parent_path();
}

NewCheckpoint::NewCheckpoint(const fs::path& dir) : dir_(full_path(dir)), aside_(aside_of(dir_)) {
  as_io_error([&] {
    refuse_foreign(dir_);
    make_folders(dir_.parent_path());
    tidy(dir_.parent_path());
    fs::remove_all(aside_);
    fs::create_directory(aside_);
  });
}

NewCheckpoint::~NewCheckpoint() {
  if (!moved_) {
    std::error_code ignored;  // what stays is removed by the next save
    fs::remove_all(aside_, ignored);
  }
}

void NewCheckpoint::publish(const Index& index, const std::string& state) {
  as_io_error([&] {
    write_in_folder(aside_ / kIndexFile, seal(encode_index(index)));
    write_in_folder(aside_ / kState, seal(state));
    sync_folder(aside_);
    const fs::path replaced = move_into_place(aside_, dir_);
    moved_ = true;
    sync_folder(dir_.parent_path());  // before that the disk may still know the old one by its name
    std::error_code ignored;          // what stays is removed by the next save
    fs::remove_all(replaced, ignored);
  });
}

void rewrite_state(const fs::path& dir, const std::string& state) {
  as_io_error([&] { write_text(existing(dir, kState), seal(state)); });
}

std::string read_state(const fs::path& dir) {
  return read_sealed(existing(dir, kState));
}

Index read_index(const fs::path& dir) {
  const fs::path file = existing(dir, kIndexFile);
  return decode_index(read_sealed(file), file.string());
}

bool is_checkpoint(const fs::path& dir) {
  return fs::is_directory(dir) && fs::exists(dir / kIndexFile);
}

void remove_checkpoint(const fs::path& dir) {
  as_io_error([&] {
    const fs::path full = full_path(dir);
    if (!fs::exists(fs::symlink_status(full))) {
      return;
    }
    if (!is_checkpoint(full)) {
      throw Error(
          STRATA_E_ARGUMENT,
          text(full.string(), " is no checkpoint: it has no ", kIndexFile, "; not removed"));
    }
    const fs::path aside = aside_of(full);
    fs::remove_all(aside);
    fs::rename(full, aside);
    sync_folder(full.parent_path());
    fs::remove_all(aside);
  });
}

}  // namespace strata::checkpoint
