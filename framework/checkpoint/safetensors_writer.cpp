// Header first, then tensor after tensor.
#include <bit>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "checkpoint/tensor_stream.hpp"

namespace strata::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

Header lay_out(std::span<const TensorSource> tensors, const Metadata& metadata) {
  Header out{{}, metadata};
  uint64_t at = 0;
  for (const TensorSource& tensor : tensors) {
    uint64_t end = checked_bytes(tensor);
    if (__builtin_add_overflow(at, end, &end)) {
      throw Error(STRATA_E_ARGUMENT, text("\"", tensor.name, "\" is too large for the file"));
    }
    out.tensors.push_back({tensor.name, tensor.dtype, tensor.shape, at, end});
    at = end;
  }
  return out;
}

uint64_t data_bytes(const Header& header) {
  return header.tensors.empty() ? 0 : header.tensors.back().end;
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
    stream_tensor(tensors[i], header.tensors[i].bytes(), [&](std::span<const std::byte> piece) {
      out.write(piece);
    });
  }
  out.commit();
}

}  // namespace strata::checkpoint
