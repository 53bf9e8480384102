// A file that is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace strata::checkpoint {

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
