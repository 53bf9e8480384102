// open, fstat, mmap.
#include "checkpoint/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {
namespace {

struct File {
  // O_NONBLOCK: a pipe under this name must not hold the program up.
  explicit File(const std::filesystem::path& path)
      : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd < 0) {
      throw_errno("cannot open", path, errno);
    }
  }

  File(const File&) = delete;
  File& operator=(const File&) = delete;

  ~File() { ::close(fd); }

  int fd;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const File file(path);
  struct stat info = {};
  if (::fstat(file.fd, &info) != 0) {
    throw_errno("cannot read", path, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(STRATA_E_IO, text("cannot read ", path.string(), ": it is not a file"));
  }
  if (info.st_size == 0) {
    return;
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (start == MAP_FAILED) {
    throw_errno("cannot map", path, errno);
  }
  map_ = {static_cast<const std::byte*>(start), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : map_(std::exchange(other.map_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(map_, other.map_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!map_.empty()) {
    ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
  }
}

}  // namespace strata::checkpoint
