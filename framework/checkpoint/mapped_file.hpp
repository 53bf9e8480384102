// A file mapped into memory for reading.
#pragma once

#include <cstddef>
#include <filesystem>
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

 private:
  std::span<const std::byte> map_;
};

}  // namespace strata::checkpoint
