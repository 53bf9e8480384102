// The header of a safetensors file, apart from any file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.hpp"

namespace strata::checkpoint {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation

struct Header {
  std::vector<TensorInfo> tensors;
  Metadata metadata;
};

/// JSON, padded with spaces so that the data begins at a multiple of 8. Errors: STRATA_E_ARGUMENT
/// naming the tensor.
std::string encode_header(const Header& header);

/// data_bytes: that follow the header in the file. Tensors come in the order of their bytes, which
/// leave no gap. Errors: STRATA_E_FAILED with `file` and the tensor.
Header decode_header(std::string_view json, uint64_t data_bytes, const std::string& file);

/// The header of a whole file; data_begin becomes the place of the first tensor in it. Errors: as decode_header().
Header read_header(std::span<const std::byte> bytes, const std::string& file, uint64_t& data_begin);

/// Bytes of a tensor. False when they do not fit 64 bits, or a dimension is negative.
bool tensor_bytes(int32_t dtype, const std::vector<int64_t>& shape, uint64_t& out);

}  // namespace strata::checkpoint
