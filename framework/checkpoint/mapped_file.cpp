// mmap.
#include "checkpoint/mapped_file.hpp"

#include <cerrno>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {
namespace {

constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, since Linux 5.14

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

// The cache fills and empties in stretches: whether both ends are there says it of what lies between, and a page that is not
// comes by the second call, which fails where the disk does.
std::optional<std::span<const std::byte>> MappedFile::cached(uint64_t offset, size_t bytes) const {
  if (bytes == 0 || offset > map_.size() || bytes > map_.size() - offset) {
    return std::nullopt;
  }
  auto* const map = const_cast<std::byte*>(map_.data());
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto page_of = [&](uint64_t byte) { return byte / page * page; };
  const auto is_there = [&](uint64_t byte) {
    unsigned char found = 0;
    return ::mincore(map + page_of(byte), page, &found) == 0 && (found & 1U) != 0;
  };
  const uint64_t first = page_of(offset);
  const uint64_t end = offset + bytes;
  const bool there = is_there(offset) && is_there(end - 1) &&
                     ::madvise(map + first, end - first, kPopulateRead) == 0;
  return there ? std::optional(map_.subspan(offset, bytes)) : std::nullopt;
}

}  // namespace strata::checkpoint
