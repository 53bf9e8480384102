// The tensors of a checkpoint folder, whoever wrote which piece of them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/index.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/tensor_reader.hpp"

namespace strata::checkpoint {

/// Index and headers are checked when it is made, bytes by verify(), which several threads do, as they do large read()s.
/// What is not asked for is not read. [any] for reading.
class CheckpointReader final : public TensorReader {
 public:
  enum class Take { kWeights, kAll };

  /// kWeights: tensors() are parameters and buffers, and only their files have to be there.
  /// Errors: those of read_index() and SafetensorsFile; STRATA_E_FAILED naming the file and tensor: a
  /// file that is missing, has another size or header than the index says, or lacks a piece of it.
  explicit CheckpointReader(const std::filesystem::path& dir, Take take = Take::kAll);

  [[nodiscard]] const std::vector<StoredTensor>& tensors() const override { return tensors_; }

  [[nodiscard]] const std::filesystem::path& path() const override { return dir_; }

  void read(size_t tensor, int64_t begin, int64_t count, void* out) const override;

  /// The same when `reads` are run, which is before this reader's end.
  void read(size_t tensor, int64_t begin, int64_t count, void* out, Reads& reads) const;

  [[nodiscard]] int64_t world_size() const { return index_.world_size; }

  [[nodiscard]] Kind kind(size_t tensor) const { return index_.tensors[tensor].kind; }

  /// Its place in tensors(); nothing when there is none.
  [[nodiscard]] std::optional<size_t> find(std::string_view name) const;

  /// Compares the part-th of `share` parts of all bytes with their checksums: ranks divide the work.
  /// Errors: those of verify_chunks().
  void verify(int part = 0, int share = 1) const;

 private:
  void open_files(const std::filesystem::path& dir, Take take);
  void check_pieces() const;

  std::filesystem::path dir_;
  Index index_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
  std::map<std::string, SafetensorsFile> files_;
};

}  // namespace strata::checkpoint
