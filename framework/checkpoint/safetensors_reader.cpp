// A mapped file and its header.
#include <utility>

#include "checkpoint/safetensors.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  Header header = read_header(file_.bytes(), path.string(), data_begin_);
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
  return file_.bytes().subspan(offset(tensor), tensor.bytes());
}

void SafetensorsFile::read(const TensorInfo& tensor,
                           uint64_t begin,
                           std::span<std::byte> out,
                           Reads& reads) const {
  reads.add(file_.file(), offset(tensor) + begin, out);
}

}  // namespace strata::checkpoint
