// Checks the header of a mapped file.
#include <cstring>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/safetensors.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(STRATA_E_FAILED, text(path.string(), " is no valid safetensors file: ", why));
}

uint64_t header_bytes(std::span<const std::byte> map, const std::filesystem::path& path) {
  uint64_t out = 0;
  if (map.size() < sizeof(out)) {
    refuse(path, text("it has ", map.size(), " bytes, the length of its header alone needs 8"));
  }
  std::memcpy(&out, map.data(), sizeof(out));
  if (out > kMaxHeaderBytes) {
    refuse(path,
           text("it claims a header of ", out, " bytes; the format allows ", kMaxHeaderBytes));
  }
  if (out > map.size() - sizeof(out)) {
    refuse(
        path,
        text(
            "its header has ", out, " bytes, the file only ", map.size(), "; it may be cut short"));
  }
  return out;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::span<const std::byte> map = file_.bytes();
  const uint64_t length = header_bytes(map, path);
  data_begin_ = sizeof(length) + length;
  const auto* const json = reinterpret_cast<const char*>(map.data()) + sizeof(length);
  Header header = decode_header({json, length}, map.size() - data_begin_, path.string());
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    by_name_.emplace(tensors_[i].name, i);
  }
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> SafetensorsFile::data(const TensorInfo& tensor) const {
  return file_.bytes().subspan(data_begin_ + tensor.begin, tensor.bytes());
}

}  // namespace strata::checkpoint
