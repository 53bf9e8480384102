// From a source to bytes.
#include "checkpoint/tensor_stream.hpp"

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {

uint64_t checked_bytes(const TensorSource& tensor) {
  uint64_t out = 0;
  if (dtype_bytes(tensor.dtype) == 0) {
    throw Error(
        STRATA_E_ARGUMENT,
        text("a file of tensors cannot hold the type ", tensor.dtype, " of \"", tensor.name, "\""));
  }
  if (!tensor_bytes(tensor.dtype, tensor.shape, out)) {
    throw Error(STRATA_E_ARGUMENT,
                text("the shape of \"", tensor.name, "\" is negative or too large for a file"));
  }
  return out;
}

void stream_tensor(const TensorSource& tensor, uint64_t bytes, const Put& put) {
  if (!tensor.fill) {
    if (tensor.data == nullptr && bytes > 0) {
      throw Error(STRATA_E_ARGUMENT,
                  text("\"", tensor.name, "\" has neither data nor a fill function"));
    }
    put(std::span(static_cast<const std::byte*>(tensor.data), bytes));
    return;
  }
  uint64_t given = 0;
  tensor.fill([&](std::span<const std::byte> piece) {
    given += piece.size();
    if (given <= bytes) {
      put(piece);
    }
  });
  if (given != bytes) {
    throw Error(
        STRATA_E_ARGUMENT,
        text(
            "\"", tensor.name, "\" was given ", given, " bytes, its dtype and shape need ", bytes));
  }
}

}  // namespace strata::checkpoint
