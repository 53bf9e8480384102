// open, fstat, mmap, pread.
#include "checkpoint/mapped_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "checkpoint/parallel.hpp"

namespace strata::checkpoint {
namespace {

constexpr size_t kBlock = size_t{1} << 20;    // of one read
constexpr size_t kStretch = size_t{4} << 20;  // mapped at a time
constexpr int kPopulateRead = 22;             // MADV_POPULATE_READ

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

size_t size_of_file(int fd, const std::filesystem::path& path) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) {
    throw_errno("cannot read", path, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(STRATA_E_IO, text("cannot read ", path.string(), ": it is not a file"));
  }
  return static_cast<size_t>(info.st_size);
}

std::span<const std::byte> map(int fd, const std::filesystem::path& path) {
  const size_t size = size_of_file(fd, path);
  if (size == 0) {
    return {};
  }
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (start == MAP_FAILED) {
    throw_errno("cannot map", path, errno);
  }
  return {static_cast<const std::byte*>(start), size};
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path), fd_(open_to_read(path)) {
  try {
    map_ = map(fd_, path);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      map_(std::exchange(other.map_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(map_, other.map_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!map_.empty()) {
    ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
  }
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

void MappedFile::read(uint64_t offset, std::span<std::byte> out) const {
  in_parallel((out.size() + kBlock - 1) / kBlock, out.size(), [&](size_t block) {
    const size_t begin = block * kBlock;
    read_block(offset + begin, out.subspan(begin, std::min(kBlock, out.size() - begin)));
  });
}

// All pages of a stretch at once: a fault for each costs more than the checksum that they are read for.
void MappedFile::stream(uint64_t offset,
                        uint64_t bytes,
                        const std::function<void(std::span<const std::byte>)>& use) const {
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const uint64_t end = offset + bytes; offset < end;) {
    const uint64_t next = std::min(end, offset + kStretch);
    const uint64_t begin = offset / page * page;
    auto* const pages = const_cast<std::byte*>(map_.data()) + begin;
    if (::madvise(pages, next - begin, kPopulateRead) != 0 && errno != EINVAL) {
      throw_errno("cannot read", path_, errno == EFAULT ? EIO : errno);
    }
    use(map_.subspan(offset, next - offset));
    ::madvise(pages, next - begin, MADV_DONTNEED);
    offset = next;
  }
}

void MappedFile::read_block(uint64_t offset, std::span<std::byte> out) const {
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
