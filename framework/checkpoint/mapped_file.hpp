// A file mapped into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "checkpoint/file_in.hpp"

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

  /// For what is large: a disk that fails is an error of a read and no signal, what is read does not count as this
  /// process's memory, and no page has a fault of its own.
  [[nodiscard]] const FileIn& file() const { return file_; }

  /// So many of bytes() from `offset` on, when the page cache holds them: whoever goes through them at once has no page fault
  /// and no disk to wait for, and saves the copy of a read. None otherwise. A file that is cut short while they are in use
  /// is a signal, as with bytes().
  [[nodiscard]] std::optional<std::span<const std::byte>> cached(uint64_t offset,
                                                                 size_t bytes) const;

 private:
  FileIn file_;
  std::span<const std::byte> map_;
};

}  // namespace strata::checkpoint
