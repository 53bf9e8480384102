// The safetensors format: named tensors in one file, an 8-byte length, a JSON header, then the
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/mapped_file.hpp"
#include "checkpoint/reads.hpp"

namespace strata::checkpoint {

using Metadata = std::map<std::string, std::string>;

/// Takes the next bytes of a tensor.
using Put = std::function<void(std::span<const std::byte>)>;

/// One tensor to be written: its memory, or a function that puts its bytes piece by piece. Elements
/// are contiguous, little-endian, the last dimension fastest.
struct TensorSource {
  std::string name;
  int32_t dtype = 0;  ///< STRATA_F32, …
  std::vector<int64_t> shape;
  const void* data = nullptr;  ///< borrowed until written
  std::function<void(const Put& put)> fill =
      {};  ///< called once when its turn comes, in the order of the list
};

/// Where a tensor lies. Offsets count from the end of the header.
struct TensorInfo {
  std::string name;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;

  [[nodiscard]] uint64_t bytes() const { return end - begin; }
};

/// Bytes of the file that write_safetensors would make. Errors: as there.
uint64_t safetensors_bytes(std::span<const TensorSource> tensors, const Metadata& metadata = {});

/// Writes a file in the order of the list, beside its place, and moves it there when it is on the
/// disk. Nothing of the size of a tensor is allocated.
///
/// Errors: STRATA_E_ARGUMENT naming the tensor: a name twice, not UTF-8 or "__metadata__", an
/// unknown type, a negative or overflowing shape, a fill() that puts another number of bytes.
/// STRATA_E_IO: see FileOut. A fill()'s own.
void write_safetensors(const std::filesystem::path& path,
                       std::span<const TensorSource> tensors,
                       const Metadata& metadata = {});

/// A file mapped into memory: pages are read when they are touched. Move-only. [any] for reading.
class SafetensorsFile {
 public:
  /// Checks everything but the bytes of the tensors.
  /// Errors: STRATA_E_IO for a file that cannot be read, STRATA_E_FAILED for one that is not
  /// safetensors, is cut short or contradicts itself; both name the file, and the tensor if it is
  /// one's fault.
  explicit SafetensorsFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return file_.file().path(); }

  /// All bytes before those of the tensors.
  [[nodiscard]] std::span<const std::byte> head() const { return file_.bytes().first(data_begin_); }

  /// In the order of the file.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }

  [[nodiscard]] const Metadata& metadata() const { return metadata_; }

  /// nullptr when there is none.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const;

  /// Its bytes, valid as long as this object. Their address need not be aligned for the element
  /// type.
  [[nodiscard]] std::span<const std::byte> data(const TensorInfo& tensor) const;

  /// Where they are in the file.
  [[nodiscard]] uint64_t offset(const TensorInfo& tensor) const {
    return data_begin_ + tensor.begin;
  }

  /// Adds to `reads` the same bytes from `begin` of them on, as many as `out` has.
  void read(const TensorInfo& tensor, uint64_t begin, std::span<std::byte> out, Reads& reads) const;

 private:
  MappedFile file_;
  uint64_t data_begin_ = 0;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
  Metadata metadata_;
};

}  // namespace strata::checkpoint
