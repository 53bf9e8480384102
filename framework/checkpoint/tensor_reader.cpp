// Which reader for which path.
#include "checkpoint/tensor_reader.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/dtype.hpp"
#include "checkpoint/hf_index.hpp"
#include "checkpoint/mapped_file.hpp"
#include "checkpoint/pth.hpp"
#include "checkpoint/safetensors.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kWeightIndex = "model.safetensors.index.json";

class SafetensorsReader final : public TensorReader {
 public:
  explicit SafetensorsReader(const fs::path& path) : file_(path) {
    for (const TensorInfo& info : file_.tensors()) {
      tensors_.push_back({info.name, info.dtype, info.shape});
    }
  }

  [[nodiscard]] const std::vector<StoredTensor>& tensors() const override { return tensors_; }

  [[nodiscard]] const fs::path& path() const override { return file_.path(); }

  void read(size_t tensor, int64_t begin, int64_t count, void* out) const override {
    check_elements(*this, tensor, begin, count);
    const TensorInfo& info = file_.tensors()[tensor];
    const uint64_t element = dtype_bytes(info.dtype);
    Reads reads;
    file_.read(info,
               static_cast<uint64_t>(begin) * element,
               {static_cast<std::byte*>(out), static_cast<uint64_t>(count) * element},
               reads);
    reads.run();
  }

 private:
  SafetensorsFile file_;
  std::vector<StoredTensor> tensors_;
};

// safetensors files begin with a length, whose upper bytes are 0.
bool is_torch(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kNames = {".pth", ".pt", ".bin", ".ckpt"};
  if (path.extension() == ".safetensors" ||
      std::ranges::find(kNames, path.extension()) != kNames.end()) {
    return path.extension() != ".safetensors";
  }
  const MappedFile file(path);
  constexpr std::array kZip = {std::byte{'P'}, std::byte{'K'}, std::byte{3}, std::byte{4}};
  return file.bytes().size() > kZip.size() &&
         std::ranges::equal(kZip, file.bytes().first(kZip.size()));
}

fs::path weights_in(const fs::path& folder) {
  for (const char* name : {kWeightIndex, kWeights}) {
    if (fs::exists(folder / name)) {
      return folder / name;
    }
  }
  throw Error(
      STRATA_E_NOT_FOUND,
      text(folder.string(), " lacks ", kWeights, " and ", kWeightIndex, ": no weights are there"));
}

}  // namespace

int64_t StoredTensor::elements() const {
  if (std::ranges::find(shape, 0) != shape.end()) {
    return 0;  // whatever the other sizes come to
  }
  int64_t out = 1;
  for (const int64_t size : shape) {
    out *= size;
  }
  return out;
}

void check_elements(const TensorReader& reader, size_t tensor, int64_t begin, int64_t count) {
  const bool known = tensor < reader.tensors().size();
  const int64_t all = known ? reader.tensors()[tensor].elements() : 0;
  if (!known || begin < 0 || count < 0 || begin > all || count > all - begin) {
    throw Error(STRATA_E_ARGUMENT,
                text(reader.path().string(),
                     " has no ",
                     count,
                     " elements from ",
                     begin,
                     known ? " in \"" + reader.tensors()[tensor].name + "\"" : " of such a tensor",
                     ", which has ",
                     all));
  }
}

std::unique_ptr<TensorReader> open_tensors(const fs::path& path) {
  if (is_checkpoint(path)) {
    return std::make_unique<CheckpointReader>(path, CheckpointReader::Take::kWeights);
  }
  if (fs::is_directory(path)) {
    return open_tensors(weights_in(path));
  }
  if (path.extension() == ".json") {
    return open_hf_index(path);
  }
  if (is_torch(path)) {
    return open_pth(path);
  }
  return std::make_unique<SafetensorsReader>(path);
}

}  // namespace strata::checkpoint
