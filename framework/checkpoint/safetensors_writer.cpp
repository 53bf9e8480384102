// Header first, then tensor after tensor.
#include <array>
#include <bit>
#include <cstring>

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/file_out.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

Header lay_out(std::span<const TensorSource> tensors, const Metadata& metadata) {
  Header out{{}, metadata};
  uint64_t at = 0;
  for (const TensorSource& tensor : tensors) {
    uint64_t bytes = 0;
    if (dtype_bytes(tensor.dtype) == 0) {
      throw Error(STRATA_E_ARGUMENT,
                  text("a safetensors file cannot hold the type ",
                       tensor.dtype,
                       " of \"",
                       tensor.name,
                       "\""));
    }
    if (!tensor_bytes(tensor.dtype, tensor.shape, bytes) ||
        __builtin_add_overflow(at, bytes, &bytes)) {
      throw Error(STRATA_E_ARGUMENT,
                  text("the shape of \"", tensor.name, "\" is negative or too large for a file"));
    }
    out.tensors.push_back({tensor.name, tensor.dtype, tensor.shape, at, bytes});
    at = bytes;
  }
  return out;
}

uint64_t data_bytes(const Header& header) {
  return header.tensors.empty() ? 0 : header.tensors.back().end;
}

void write_tensor(FileOut& out, const TensorSource& tensor, uint64_t bytes) {
  if (!tensor.fill) {
    if (tensor.data == nullptr && bytes > 0) {
      throw Error(STRATA_E_ARGUMENT,
                  text("\"", tensor.name, "\" has neither data nor a fill function"));
    }
    out.write(std::span(static_cast<const std::byte*>(tensor.data), bytes));
    return;
  }
  uint64_t given = 0;
  tensor.fill([&](std::span<const std::byte> piece) {
    given += piece.size();
    if (given <= bytes) {
      out.write(piece);
    }
  });
  if (given != bytes) {
    throw Error(
        STRATA_E_ARGUMENT,
        text(
            "\"", tensor.name, "\" was given ", given, " bytes, its dtype and shape need ", bytes));
  }
}

}  // namespace

uint64_t safetensors_bytes(std::span<const TensorSource> tensors, const Metadata& metadata) {
  const Header header = lay_out(tensors, metadata);
  return sizeof(uint64_t) + encode_header(header).size() + data_bytes(header);
}

void write_safetensors(const std::filesystem::path& path,
                       std::span<const TensorSource> tensors,
                       const Metadata& metadata) {
  const Header header = lay_out(tensors, metadata);
  const std::string json = encode_header(header);
  const uint64_t length = json.size();
  FileOut out(path, sizeof(length) + length + data_bytes(header));
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(json);
  for (size_t i = 0; i < tensors.size(); ++i) {
    write_tensor(out, tensors[i], header.tensors[i].bytes());
  }
  out.commit();
}

}  // namespace strata::checkpoint
