// A file for reading: mapped into memory, and read in stretches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

namespace strata::checkpoint {

/// Pages are read when they are touched. Move-only. [any] for reading.
class MappedFile {
 public:
  /// Errors: STRATA_E_IO with the path for one that cannot be read or is no file.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  /// Valid as long as this object, and wherever it moves.
  [[nodiscard]] std::span<const std::byte> bytes() const { return map_; }

  /// The bytes from `offset` on to `out`, by several threads when they are many. Not through the mapping: a disk that
  /// fails is an error and no signal, what is read does not count as this process's memory, and no page has a fault of
  /// its own. Errors: STRATA_E_IO with the path; of a file that has become shorter as well.
  void read(uint64_t offset, std::span<std::byte> out) const;

  /// Gives all bytes from `offset` on to `use`, stretch by stretch, where they are mapped. No more than a stretch counts
  /// as this process's memory. Errors: of use; STRATA_E_IO with the path of a disk that fails (before Linux 5.14 a signal).
  void stream(uint64_t offset,
              uint64_t bytes,
              const std::function<void(std::span<const std::byte>)>& use) const;

 private:
  void read_block(uint64_t offset, std::span<std::byte> out) const;

  std::filesystem::path path_;
  int fd_ = -1;
  std::span<const std::byte> map_;
};

}  // namespace strata::checkpoint
