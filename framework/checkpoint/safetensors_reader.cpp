// Maps a file and checks its header.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {
namespace {

struct File {
  explicit File(const std::filesystem::path& path)
      : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) {
      throw_errno("cannot open", path, errno);
    }
  }

  File(const File&) = delete;
  File& operator=(const File&) = delete;

  ~File() { ::close(fd); }

  int fd;
};

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(STRATA_E_FAILED, text(path.string(), " is no valid safetensors file: ", why));
}

std::span<const std::byte> map_file(const std::filesystem::path& path) {
  const File file(path);
  struct stat info = {};
  if (::fstat(file.fd, &info) != 0) {
    throw_errno("cannot read", path, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    refuse(path, "it is not a file");
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size < sizeof(uint64_t)) {
    refuse(path, text("it has ", size, " bytes, the length of its header alone needs 8"));
  }
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (start == MAP_FAILED) {
    throw_errno("cannot map", path, errno);
  }
  return {static_cast<const std::byte*>(start), size};
}

uint64_t header_bytes(std::span<const std::byte> map, const std::filesystem::path& path) {
  uint64_t out = 0;
  std::memcpy(&out, map.data(), sizeof(out));
  if (out > kMaxHeaderBytes) {
    refuse(path,
           text("it claims a header of ", out, " bytes; the format allows ", kMaxHeaderBytes));
  }
  if (out > map.size() - sizeof(out)) {
    refuse(
        path,
        text(
            "its header has ", out, " bytes, the file only ", map.size(), "; it may be cut short"));
  }
  return out;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), map_(map_file(path)) {
  try {
    const uint64_t length = header_bytes(map_, path);
    data_begin_ = sizeof(length) + length;
    const auto* const json = reinterpret_cast<const char*>(map_.data()) + sizeof(length);
    Header header = decode_header({json, length}, map_.size() - data_begin_, path.string());
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
    for (size_t i = 0; i < tensors_.size(); ++i) {
      by_name_.emplace(tensors_[i].name, i);
    }
  } catch (...) {
    ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
    throw;
  }
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept
    : path_(std::move(other.path_)),
      map_(std::exchange(other.map_, {})),
      data_begin_(other.data_begin_),
      tensors_(std::move(other.tensors_)),
      by_name_(std::move(other.by_name_)),
      metadata_(std::move(other.metadata_)) {}

SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(map_, other.map_);
  std::swap(data_begin_, other.data_begin_);
  std::swap(tensors_, other.tensors_);
  std::swap(by_name_, other.by_name_);
  std::swap(metadata_, other.metadata_);
  return *this;
}

SafetensorsFile::~SafetensorsFile() {
  if (!map_.empty()) {
    ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
  }
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> SafetensorsFile::data(const TensorInfo& tensor) const {
  return map_.subspan(data_begin_ + tensor.begin, tensor.bytes());
}

}  // namespace strata::checkpoint
