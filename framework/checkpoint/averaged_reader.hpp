// The weights of a checkpoint with averages in their places.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/tensor_reader.hpp"

namespace strata::checkpoint {

/// tensors() are parameters and buffers under their names; what has a "name.state" of its shape has that one's type and
/// elements. [any] for reading.
class AveragedReader final : public TensorReader {
 public:
  /// Errors: those of CheckpointReader.
  AveragedReader(const std::filesystem::path& checkpoint, std::string_view state);

  [[nodiscard]] const std::vector<StoredTensor>& tensors() const override { return tensors_; }

  [[nodiscard]] const std::filesystem::path& path() const override { return all_.path(); }

  void read(size_t tensor, int64_t begin, int64_t count, void* out) const override;

  /// As CheckpointReader::verify().
  void verify(int part, int share) const { all_.verify(part, share); }

  /// How many of them are averages.
  [[nodiscard]] int64_t averages() const { return averages_; }

 private:
  CheckpointReader all_;
  std::vector<StoredTensor> tensors_;
  std::vector<size_t> places_;  // in all_
  int64_t averages_ = 0;
};

}  // namespace strata::checkpoint
