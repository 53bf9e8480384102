// Memory that processes of one machine map together and that vanishes with the last of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace shm {

/// A mapping of anonymous memory. Another process opens it by address(), while its maker holds the
/// file.
class SharedMemory {
 public:
  /// Zeroed. Errors: STRATA_E_COMM, the system refuses.
  static SharedMemory create(int64_t bytes);

  /// What address() of the maker said. Errors: STRATA_E_COMM.
  static SharedMemory open(const std::string& address);

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  [[nodiscard]] std::string address() const;

  [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }

  /// After this nobody else can open it; mappings stay.
  void close_file();

 private:
  SharedMemory(int file, size_t size);

  int file_ = -1;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace shm
