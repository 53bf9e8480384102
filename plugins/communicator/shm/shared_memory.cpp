// memfd mappings, found by other processes through /proc.
#include "shared_memory.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

namespace shm {
namespace {

template <class... Parts>
strata::Error system_error(const Parts&... parts) {
  const int number = errno;
  return {STRATA_E_COMM, strata::text(parts..., ": ", std::strerror(number))};
}

}  // namespace

SharedMemory::SharedMemory(int file, size_t size) : file_(file), size_(size) {
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) {
    const strata::Error error = system_error("cannot map ", size, " bytes of shared memory");
    close(file);
    throw error;
  }
  data_ = static_cast<std::byte*>(mapped);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedMemory::~SharedMemory() {
  close_file();
  if (data_ != nullptr) {
    munmap(data_, size_);
  }
}

void SharedMemory::close_file() {
  if (file_ >= 0) {
    close(std::exchange(file_, -1));
  }
}

SharedMemory SharedMemory::create(int64_t bytes) {
  const int file = memfd_create("strata-communicator", MFD_CLOEXEC);
  if (file < 0) {
    throw system_error("cannot create shared memory");
  }
  if (ftruncate(file, bytes) != 0) {
    const strata::Error error = system_error("cannot reserve ", bytes, " bytes of shared memory");
    close(file);
    throw error;
  }
  return {file, static_cast<size_t>(bytes)};
}

// process, descriptor and inode: the inode shows that the descriptor is still the one that was
// meant.
std::string SharedMemory::address() const {
  struct stat info{};

  fstat(file_, &info);
  return strata::text(getpid(), ' ', file_, ' ', info.st_ino);
}

SharedMemory SharedMemory::open(const std::string& address) {
  std::istringstream in(address);
  int pid = 0;
  int descriptor = 0;
  ino_t inode = 0;
  in >> pid >> descriptor >> inode;
  const std::string path = strata::text("/proc/", pid, "/fd/", descriptor);
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) {
    throw system_error(
        "cannot open rank 0's shared memory at ",
        path,
        " (ranks in separate containers or of other users need the backend \"gloo\")");
  }

  struct stat info{};

  if (fstat(file, &info) != 0 || info.st_ino != inode) {
    close(file);
    throw strata::Error(STRATA_E_COMM,
                        strata::text(path,
                                     " is not rank 0's shared memory: the ranks do not share "
                                     "one process table; use the backend \"gloo\""));
  }
  return {file, static_cast<size_t>(info.st_size)};
}

}  // namespace shm
