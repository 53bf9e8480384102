// A whole file as read-only memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace strata::kit {

/// Move-only; unmaps itself. The file may be deleted meanwhile, but must not shrink.
class MappedFile {
 public:
  MappedFile() = default;  // empty

  /// Errors: STRATA_E_CONFIG with path and the system's reason. An empty file maps to no bytes.
  explicit MappedFile(std::filesystem::path path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// From a page boundary on.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace strata::kit
