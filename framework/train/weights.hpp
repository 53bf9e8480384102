// Stored weights on their way into a model.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_reader.hpp"
#include "log/log.hpp"
#include "train/session.hpp"
#include "train/weight_rules.hpp"
#include "unit/model.hpp"

namespace strata::train {

/// Weights of any kind that checkpoint::open_tensors() knows, read tensor by tensor as the model is built.
class Weights {
 public:
  /// Errors: those of open_tensors().
  explicit Weights(const std::filesystem::path& path, WeightRules rules = {});

  Weights(std::unique_ptr<checkpoint::TensorReader> file, WeightRules rules)
      : file_(std::move(file)), rules_(std::move(rules)) {}

  /// Gives the file's tensors the model's names. They are revised, then the model says what it calls them
  /// (unit::Model::weight_name), then what a unit borrows goes by its owner's name. Where two come to one name, the one
  /// that needed the fewest of the last two steps is it.
  /// Errors: under strict rules STRATA_E_CONFIG with everything that does not fit, the same on every rank.
  void match(const unit::Model& model);

  /// After match(). Fills a parameter or buffer; false when the file has none of that name and shape. Casts.
  bool fill(const std::string& name, const at::Tensor& out) const;

  /// The same for elements [offset, offset + count) of the row-major tensor of this shape; out: count elements, one
  /// dimension, contiguous. Reads only these.
  bool fill_slice(const std::string& name,
                  at::IntArrayRef shape,
                  int64_t offset,
                  int64_t count,
                  const at::Tensor& out) const;

  /// Spent on reading so far.
  [[nodiscard]] double seconds() const { return seconds_; }

  /// After match(): what is missing, unexpected or of another shape, a line each; empty when all fits. The same on every
  /// rank.
  [[nodiscard]] std::string misfits() const;
  /// Logs which part of the file was taken, and the misfits, if any, as one warning.
  void report(log::Log& log) const;

 private:
  using Names = std::map<std::string, size_t>;  // to the file's tensors

  [[nodiscard]] const checkpoint::StoredTensor& stored(size_t index) const {
    return file_->tensors()[index];
  }

  [[nodiscard]] Names names_of(const unit::Model& model) const;
  /// The index of a tensor; -1 when there is none of that name and shape.
  [[nodiscard]] int64_t find(const std::string& name, at::IntArrayRef shape) const;
  void read(size_t index, int64_t begin, const at::Tensor& out) const;
  void read_as(size_t index, int64_t begin, const at::Tensor& out) const;

  [[nodiscard]] std::string list_misfits(size_t shown, const char* consequence) const;

  std::unique_ptr<checkpoint::TensorReader> file_;
  WeightRules rules_;
  Names by_name_;
  std::vector<std::string> missing_;
  std::vector<std::string> unexpected_;
  std::vector<std::string> misshaped_;
  mutable double seconds_ = 0;
};

/// What a run begins with: the weights at `path`, or what a checkpoint there has of their averages, the hook's state of
/// that name; empty: the weights. The log says which. Of a checkpoint with averages each rank verifies its share.
/// Errors: those of open_tensors() and CheckpointReader.
std::unique_ptr<Weights> open_weights(const std::filesystem::path& path,
                                      const std::string& state,
                                      const WeightRules& rules,
                                      Session& session);

}  // namespace strata::train
