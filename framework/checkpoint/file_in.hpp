// A file that is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace strata::checkpoint {

/// Bytes that a thread takes through a file of its own, one read after the other: fewer are read ahead for in vain, more
/// lie far apart on a disk.
inline constexpr uint64_t kLongestRun = uint64_t{64} << 20;

/// Move-only. [any] for reading. Errors of all: STRATA_E_IO with the path.
class FileIn {
 public:
  enum class Order {
    kAny,
    kAsItStands  ///< one read goes on where another ended: the system reads ahead, in large pages
  };

  explicit FileIn(const std::filesystem::path& path, Order order = Order::kAny);
  FileIn(FileIn&& other) noexcept;
  FileIn& operator=(FileIn&& other) noexcept;
  ~FileIn();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] int fd() const { return fd_; }

  [[nodiscard]] size_t size() const;

  /// All of `out`, from `offset` on; a file that ends before is an error.
  void read(uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace strata::checkpoint
