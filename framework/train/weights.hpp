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

/// One safetensors file, read tensor by tensor as the model is built. A leading "module." of names is dropped.
class Weights {
 public:
  /// path: a .safetensors file or a checkpoint folder. Errors: those of SafetensorsFile.
  explicit Weights(const std::filesystem::path& path);

  /// Fills a parameter or buffer; false when the file has none of that name and shape. Casts.
  bool fill(const std::string& name, const at::Tensor& out);

  /// Logs what was missing, unexpected or of another shape, in one message; nothing when all fitted.
  void report(log::Log& log) const;

 private:
  checkpoint::SafetensorsFile file_;
  std::map<std::string, const checkpoint::TensorInfo*> by_name_;
  std::set<std::string> used_;
  std::vector<std::string> missing_;
  std::vector<std::string> misshaped_;
};

}  // namespace strata::train
