// open, fstat, pread.
#include "checkpoint/file_in.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/resource.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {
namespace {

// A checkpoint of hundreds of ranks has more files than a process may have open without asking. False when it may not.
bool allow_more_files() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) {
    return false;
  }
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// O_NONBLOCK: a pipe under this name must not hold the program up.
int open_to_read(const std::filesystem::path& path) {
  const auto open = [&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); };
  int fd = open();
  if (fd < 0 && errno == EMFILE && allow_more_files()) {
    fd = open();
  }
  if (fd < 0) {
    throw_errno("cannot open", path, errno);
  }
  return fd;
}

}  // namespace

FileIn::FileIn(const std::filesystem::path& path, Order order)
    : path_(path), fd_(open_to_read(path)) {
  if (order == Order::kAsItStands) {
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
}

FileIn::FileIn(FileIn&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FileIn& FileIn::operator=(FileIn&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

FileIn::~FileIn() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

size_t FileIn::size() const {
  struct stat info = {};
  if (::fstat(fd_, &info) != 0) {
    throw_errno("cannot read", path_, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(STRATA_E_IO, text("cannot read ", path_.string(), ": it is not a file"));
  }
  return static_cast<size_t>(info.st_size);
}

void FileIn::read(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n == 0) {
      throw Error(STRATA_E_IO,
                  text("cannot read ", path_.string(), ": it was cut short meanwhile"));
    }
    if (n < 0 && errno != EINTR) {
      throw_errno("cannot read", path_, errno);
    }
    const auto done = static_cast<size_t>(std::max<ssize_t>(n, 0));
    offset += done;
    out = out.subspan(done);
  }
}

}  // namespace strata::checkpoint
