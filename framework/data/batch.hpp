// A batch: stacked samples as tensors. The smallest header here that includes LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace strata::data {

struct BatchField {
  std::string name;
  at::Tensor tensor;  // [size, ...], on the CPU, contiguous
};

struct Batch {
  std::vector<BatchField> fields;  // in the order in which the samples made them
  int64_t valid = 0;  // leading samples that count; the rest repeats others to even out the ranks
  int64_t size = 0;   // samples
};

}  // namespace strata::data
