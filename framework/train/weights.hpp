// Stored weights on their way into a model.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "log/log.hpp"
#include "unit/model.hpp"

namespace strata::train {

/// One safetensors file, read tensor by tensor as the model is built.
class Weights {
 public:
  /// path: a .safetensors file or a checkpoint folder. Errors: those of SafetensorsFile.
  explicit Weights(const std::filesystem::path& path);

  /// Gives the file's tensors the model's names. A leading "module." is dropped, then the model says what it calls them
  /// (unit::Model::weight_name), then what a unit borrows goes by its owner's name. Where two come to one name, the one
  /// that needed the fewest of these steps is it.
  void match(const unit::Model& model);

  /// After match(). Fills a parameter or buffer; false when the file has none of that name and shape. Casts.
  bool fill(const std::string& name, const at::Tensor& out);

  /// What was missing, unexpected or of another shape, a line each; empty when all fitted.
  [[nodiscard]] std::string misfits() const;
  /// Logs the misfits, if any, as one warning.
  void report(log::Log& log) const;

 private:
  using Names = std::map<std::string, const checkpoint::TensorInfo*>;

  checkpoint::SafetensorsFile file_;
  Names by_name_;
  std::set<std::string> used_;
  std::vector<std::string> missing_;
  std::vector<std::string> misshaped_;
};

}  // namespace strata::train
