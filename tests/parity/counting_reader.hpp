// Stored tensors in memory.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoint/tensor_reader.hpp"

namespace strata::test {

/// Tensors in memory that count what is read of them.
class CountingReader final : public checkpoint::TensorReader {
 public:
  struct Counts {
    int64_t bytes = 0;
    int64_t largest = 0;  // of one read
  };

  CountingReader(const std::map<std::string, at::Tensor>& values, Counts& counts)
      : counts_(counts) {
    for (const auto& [name, value] : values) {
      tensors_.push_back({name, STRATA_F32, value.sizes().vec()});
      values_.push_back(value.contiguous());
    }
  }

  [[nodiscard]] const std::vector<checkpoint::StoredTensor>& tensors() const override {
    return tensors_;
  }

  [[nodiscard]] const std::filesystem::path& path() const override { return path_; }

  void read(size_t tensor, int64_t begin, int64_t count, void* out) const override {
    checkpoint::check_elements(*this, tensor, begin, count);
    std::copy_n(values_[tensor].const_data_ptr<float>() + begin, count, static_cast<float*>(out));
    counts_.bytes += 4 * count;
    counts_.largest = std::max(counts_.largest, 4 * count);
  }

 private:
  std::filesystem::path path_ = "memory";
  std::vector<checkpoint::StoredTensor> tensors_;
  std::vector<at::Tensor> values_;
  Counts& counts_;
};

}  // namespace strata::test
