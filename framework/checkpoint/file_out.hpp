// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/block_writer.hpp"

namespace strata::checkpoint {

/// "path: what: why" as STRATA_E_IO, from errno.
[[noreturn]] void throw_errno(std::string_view what, const std::filesystem::path& path, int error);

std::string host_name();

/// The hidden neighbour that a file or folder is written under before it gets its name:
/// ".name.tmp-<host>-<pid>".
std::filesystem::path aside_of(const std::filesystem::path& path);

/// Makes a rename inside the folder survive a power cut.
void sync_folder(const std::filesystem::path& folder);

/// Makes a folder and those above it, so that they survive a power cut together with what is synced
/// in them. Errors: STRATA_E_IO.
void make_folders(const std::filesystem::path& folder);

enum class Place {
  kAside,    ///< beside its path until commit() moves it there
  kInFolder  ///< at its path, in a folder that is itself written aside and will be synced
};

/// A file that is on the disk after commit(); without commit() nothing is left. Bytes go out as they
/// come.
///
/// Errors of all: STRATA_E_IO with the path, the bytes needed and those free, and the system's
/// reason. Where a file size limit is set, the process must ignore SIGXFSZ to get the error.
class FileOut {
 public:
  /// bytes: what will be written, reserved at once where the file system can, so that a full disk
  /// shows at the start. block: 0, or bytes that a BlockWriter collects; then an error may come later than its write().
  FileOut(std::filesystem::path path,
          uint64_t bytes,
          Place place = Place::kAside,
          size_t block = 0);
  FileOut(const FileOut&) = delete;
  FileOut& operator=(const FileOut&) = delete;
  ~FileOut();

  void write(std::span<const std::byte> data);
  void write(std::string_view text);

  [[nodiscard]] uint64_t written() const { return written_; }

  /// Everything is on the disk and under its name when this returns.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  std::filesystem::path written_at_;
  uint64_t bytes_;
  uint64_t written_ = 0;
  int fd_ = -1;
  std::unique_ptr<BlockWriter> blocks_;
};

/// Replaces a small file's content.
void write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace strata::checkpoint
