// Stored tensors, whatever kind of file they lie in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace strata::checkpoint {

struct StoredTensor {
  std::string name;
  int32_t dtype = 0;  ///< STRATA_F32, …
  std::vector<int64_t> shape;

  /// Fits 64 bits: a reader refuses what does not.
  [[nodiscard]] int64_t elements() const;
};

/// One or several files, mapped. [any] for reading.
class TensorReader {
 public:
  TensorReader() = default;
  TensorReader(const TensorReader&) = delete;
  TensorReader& operator=(const TensorReader&) = delete;
  virtual ~TensorReader() = default;

  /// In an order of the file's own; each name once.
  [[nodiscard]] virtual const std::vector<StoredTensor>& tensors() const = 0;

  /// What the user named.
  [[nodiscard]] virtual const std::filesystem::path& path() const = 0;

  /// Which part of the file this is, "its key \"state_dict\"" of a `.pth`; empty: all of it.
  [[nodiscard]] virtual std::string taken() const { return {}; }

  /// Elements [begin, begin + count) of tensors()[tensor], flattened row-major, to `out` of so many elements. Pages of
  /// other elements are not touched. Errors: STRATA_E_ARGUMENT for elements that it has not.
  virtual void read(size_t tensor, int64_t begin, int64_t count, void* out) const = 0;
};

/// Opens weights by what lies at `path`:
///   a `.safetensors` file;
///   a file of torch.save (`.pth`, `.pt`, `.bin`, `.ckpt`): see read_pth();
///   a Hugging Face index (`model.safetensors.index.json`), which names the files of the tensors;
///   a folder with such an index or a `model.safetensors`, a checkpoint's too.
///
/// A file of another name is known by its first bytes.
///
/// All sizes are checked against the files here, before a tensor is read.
/// Errors: STRATA_E_NOT_FOUND, STRATA_E_IO, STRATA_E_FAILED; all name the file, and the tensor if it is one's fault.
std::unique_ptr<TensorReader> open_tensors(const std::filesystem::path& path);

/// For readers: throws the error of read().
void check_elements(const TensorReader& reader, size_t tensor, int64_t begin, int64_t count);

}  // namespace strata::checkpoint
