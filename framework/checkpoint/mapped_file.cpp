// mmap.
#include "checkpoint/mapped_file.hpp"

#include <cerrno>
#include <utility>

#include <sys/mman.h>

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {
namespace {

std::span<const std::byte> map(const FileIn& file) {
  const size_t size = file.size();
  if (size == 0) {
    return {};
  }
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (start == MAP_FAILED) {
    throw_errno("cannot map", file.path(), errno);
  }
  return {static_cast<const std::byte*>(start), size};
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path)
    : file_(path, FileIn::Order::kAsItStands), map_(map(file_)) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : file_(std::move(other.file_)), map_(std::exchange(other.map_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(map_, other.map_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!map_.empty()) {
    ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
  }
}

}  // namespace strata::checkpoint
