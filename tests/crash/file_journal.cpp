// LD_PRELOAD: stands before libc's calls on files and tells a journal what they did to one folder, if the environment
// says so; see journal.hpp. Not seen: FILE*, mapped memory, copies inside the kernel. Syncs are told, not made: what a
// test asks is what they would have kept.
#include <cerrno>
#include <cstdarg>
#include <dirent.h>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/uio.h>

#include "journal_writer.hpp"

namespace {

// NOLINTNEXTLINE(google-build-using-namespace): this file is of it, but for libc's names
using namespace strata::test;

/// The path below the watched folder; nothing for one outside, or in a program that is not watched.
std::optional<std::string> watched(int at, const char* path) {
  JournalWriter* const journal = JournalWriter::get();
  if (journal == nullptr || path == nullptr) {
    return std::nullopt;
  }
  std::filesystem::path full(path);
  if (full.is_relative()) {
    const std::string base =
        at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/" + std::to_string(at);
    full = std::filesystem::read_symlink(base) / full;
  }
  const std::string clean = full.lexically_normal().string();
  const std::string& folder = journal->folder();
  if (clean == folder || clean == folder + "/") {
    return "";
  }
  if (!clean.starts_with(folder + "/")) {
    return std::nullopt;
  }
  std::string below = clean.substr(folder.size() + 1);
  while (below.ends_with('/')) {
    below.pop_back();
  }
  return below;
}

int open_file(int at, const char* path, int flags, mode_t mode) {
  const auto below = watched(at, path);
  if (!below.has_value()) {
    return real(::openat, "openat")(at, path, flags, mode);
  }
  struct stat info = {};
  const bool there = ::fstatat(at, path, &info, 0) == 0;
  Record draft{
      there || (flags & O_CREAT) == 0 ? FileOp::kOpen : FileOp::kCreate, 0, -1, 0, *below, {}, {}};
  return static_cast<int>(JournalWriter::get()->record(draft, [&](int64_t number) {
    const int fd = real(::openat, "openat")(at, path, flags, mode);
    if (fd >= 0) {
      draft.handle = number;
      set_handle(fd, number);
    }
    return fd;
  }));
}

// O_TRUNC as a record of its own, after the one that opens: both change the disk.
int open_and_empty(int at, const char* path, int flags, mode_t mode) {
  const int fd = open_file(at, path, flags & ~O_TRUNC, mode);
  const int64_t handle = handle_of(fd);
  struct stat info = {};
  if ((flags & O_TRUNC) == 0 || fd < 0) {
    return fd;
  }
  if (handle >= 0 && (::fstat(fd, &info) != 0 || info.st_size == 0)) {
    return fd;
  }
  return ::ftruncate(fd, 0) == 0 ? fd : -1;
}

template <class Act>
int two_paths(FileOp op, int at, const char* from, int at2, const char* to, const Act& act) {
  const auto below = watched(at, from);
  const auto below2 = watched(at2, to);
  if (!below.has_value() && !below2.has_value()) {
    return act(0);
  }
  if (!below.has_value() || !below2.has_value()) {
    give_up("a name that goes into the watched folder, or out of it");
  }
  Record draft{op, 0, -1, 0, *below, *below2, {}};
  return static_cast<int>(JournalWriter::get()->record(draft, act));
}

template <class Act>
int one_path(FileOp op, int at, const char* path, const Act& act) {
  const auto below = watched(at, path);
  if (!below.has_value()) {
    return act(0);
  }
  Record draft{op, 0, -1, 0, *below, {}, {}};
  return static_cast<int>(JournalWriter::get()->record(draft, act));
}

template <class Act>
int64_t one_handle(FileOp op, int fd, int64_t offset, std::string data, const Act& act) {
  const int64_t handle = handle_of(fd);
  if (handle < 0) {
    return act(0);
  }
  Record draft{op, 0, handle, offset, {}, {}, std::move(data)};
  return JournalWriter::get()->record(draft, [&](int64_t number) {
    const int64_t result = act(number);
    if (op == FileOp::kWrite && result >= 0) {
      draft.data.resize(static_cast<size_t>(result));
      if (offset < 0) {
        draft.offset = ::lseek(fd, 0, SEEK_CUR) - result;
      }
    }
    return result;
  });
}

std::string bytes_of(int fd, const void* data, size_t bytes) {
  return handle_of(fd) < 0 ? std::string() : std::string(static_cast<const char*>(data), bytes);
}

std::string bytes_of(int fd, const iovec* parts, int count) {
  std::string out;
  for (int i = 0; handle_of(fd) >= 0 && i < count; ++i) {
    out.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return out;
}

}  // namespace

extern "C" {

/// What the program says about itself, in the order of what it does.
void strata_test_mark(const char* text) {
  if (JournalWriter* const journal = JournalWriter::get(); journal != nullptr) {
    Record draft{FileOp::kMark, 0, -1, 0, {}, {}, text};
    journal->record(draft, [](int64_t) { return int64_t{0}; });
  }
}

int openat(int at, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_and_empty(at, path, flags, mode);
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_and_empty(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_and_empty(AT_FDCWD, path, flags, mode);
}

// What open() is to a program compiled with _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) {  // NOLINT(bugprone-reserved-identifier): libc's name
  return open_and_empty(AT_FDCWD, path, flags, 0);
}

int creat(const char* path, mode_t mode) {
  return open_and_empty(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int close(int fd) {
  const int64_t handle = handle_of(fd);
  if (handle < 0) {
    return real(::close, "close")(fd);
  }
  Record draft{FileOp::kClose, 0, handle, 0, {}, {}, {}};
  return static_cast<int>(JournalWriter::get()->record(draft, [&](int64_t) {
    set_handle(fd, -1);
    return real(::close, "close")(fd);
  }));
}

// Closes its descriptor inside of libc. Nothing is written through it.
int closedir(DIR* folder) {
  set_handle(::dirfd(folder), -1);
  return real(::closedir, "closedir")(folder);
}

ssize_t write(int fd, const void* data, size_t bytes) {
  return one_handle(FileOp::kWrite, fd, -1, bytes_of(fd, data, bytes), [&](int64_t) {
    return real(::write, "write")(fd, data, bytes);
  });
}

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  return one_handle(FileOp::kWrite, fd, offset, bytes_of(fd, data, bytes), [&](int64_t) {
    return real(::pwrite, "pwrite")(fd, data, bytes, offset);
  });
}

ssize_t pwrite64(int fd, const void* data, size_t bytes, off_t offset) {
  return ::pwrite(fd, data, bytes, offset);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  return one_handle(FileOp::kWrite, fd, -1, bytes_of(fd, parts, count), [&](int64_t) {
    return real(::writev, "writev")(fd, parts, count);
  });
}

ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return one_handle(FileOp::kWrite, fd, offset, bytes_of(fd, parts, count), [&](int64_t) {
    return real(::pwritev, "pwritev")(fd, parts, count, offset);
  });
}

int ftruncate(int fd, off_t length) {
  return static_cast<int>(one_handle(FileOp::kTruncate, fd, length, {}, [&](int64_t) {
    return real(::ftruncate, "ftruncate")(fd, length);
  }));
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  if (mode != FALLOC_FL_KEEP_SIZE && handle_of(fd) >= 0) {
    give_up("a way to reserve that is not told here");
  }
  return static_cast<int>(one_handle(FileOp::kReserve, fd, offset, {}, [&](int64_t) {
    return real(::fallocate, "fallocate")(fd, mode, offset, length);
  }));
}

int fsync(int fd) {
  if (handle_of(fd) < 0) {
    return real(::fsync, "fsync")(fd);
  }
  return static_cast<int>(one_handle(FileOp::kSync, fd, 0, {}, [](int64_t) { return int64_t{0}; }));
}

int fdatasync(int fd) {
  return handle_of(fd) < 0 ? real(::fdatasync, "fdatasync")(fd) : ::fsync(fd);
}

int renameat2(int at, const char* from, int at2, const char* to, unsigned flags) {
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  return two_paths(exchange ? FileOp::kExchange : FileOp::kRename, at, from, at2, to, [&](int64_t) {
    if (exchange && !JournalWriter::get()->exchanges()) {
      errno = EINVAL;
      return -1;
    }
    return real(::renameat2, "renameat2")(at, from, at2, to, flags);
  });
}

int renameat(int at, const char* from, int at2, const char* to) {
  return two_paths(FileOp::kRename, at, from, at2, to, [&](int64_t) {
    return real(::renameat, "renameat")(at, from, at2, to);
  });
}

int rename(const char* from, const char* to) {
  return ::renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int at, const char* from, int at2, const char* to, int flags) {
  return two_paths(FileOp::kLink, at, from, at2, to, [&](int64_t) {
    return real(::linkat, "linkat")(at, from, at2, to, flags);
  });
}

int link(const char* from, const char* to) {
  return ::linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char* path, int flags) {
  const FileOp op = (flags & AT_REMOVEDIR) != 0 ? FileOp::kRemoveFolder : FileOp::kUnlink;
  return one_path(
      op, at, path, [&](int64_t) { return real(::unlinkat, "unlinkat")(at, path, flags); });
}

int unlink(const char* path) {
  return ::unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char* path) {
  return ::unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char* path) {
  struct stat info = {};
  const bool folder = ::lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
  return ::unlinkat(AT_FDCWD, path, folder ? AT_REMOVEDIR : 0);
}

int mkdirat(int at, const char* path, mode_t mode) {
  return one_path(FileOp::kMakeFolder, at, path, [&](int64_t) {
    return real(::mkdirat, "mkdirat")(at, path, mode);
  });
}

int mkdir(const char* path, mode_t mode) {
  return ::mkdirat(AT_FDCWD, path, mode);
}

}  // extern "C"
