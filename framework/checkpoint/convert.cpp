// Piece by piece from a reader, and Hugging Face's folders.
#include "checkpoint/convert.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"
#include "strata/kit/cast.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/dtype.hpp"
#include "checkpoint/file_out.hpp"
#include "checkpoint/safetensors_header.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPiece = int64_t{1} << 17U;  // elements
constexpr const char* kOnly = "model.safetensors";
constexpr const char* kWeightIndex = "model.safetensors.index.json";

bool is_floating(int32_t dtype) {
  return dtype == STRATA_F64 || dtype == STRATA_F32 || dtype == STRATA_F16 || dtype == STRATA_BF16;
}

// Memory for a piece of any type, as stored and as cast.
struct Room {
  std::array<double, kPiece> stored;
  std::array<double, kPiece> cast;
};

void put_pieces(const TensorReader& reader, size_t tensor, int32_t dtype, const Put& put) {
  const auto room = std::make_unique<Room>();
  const StoredTensor& info = reader.tensors()[tensor];
  const int64_t elements = info.elements();
  for (int64_t begin = 0; begin < elements; begin += kPiece) {
    const int64_t count = std::min(kPiece, elements - begin);
    const auto bytes = static_cast<size_t>(count * size_of(dtype));
    reader.read(tensor, begin, count, room->stored.data());
    if (dtype == info.dtype) {
      put({reinterpret_cast<const std::byte*>(room->stored.data()), bytes});
    } else {
      kit::cast(room->cast.data(), dtype, room->stored.data(), info.dtype, count);
      put({reinterpret_cast<const std::byte*>(room->cast.data()), bytes});
    }
  }
}

uint64_t bytes_of(const TensorSource& tensor) {
  uint64_t bytes = 0;
  tensor_bytes(tensor.dtype, tensor.shape, bytes);
  return bytes;
}

std::string index_of(const std::vector<HfShard>& shards) {
  nlohmann::json map = nlohmann::json::object();
  uint64_t total = 0;
  for (const HfShard& shard : shards) {
    total += shard.bytes;
    for (const TensorSource& tensor : shard.tensors) {
      map[tensor.name] = shard.file;
    }
  }
  const nlohmann::json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  return index.dump(2) + "\n";
}

bool holds_weights(const fs::path& dir) {
  return fs::is_directory(dir) &&
         (fs::is_empty(dir) || fs::exists(dir / kWeightIndex) || fs::exists(dir / kOnly));
}

void check_place(const fs::path& dir, bool replace) {
  if (fs::exists(fs::symlink_status(dir)) && !(replace && holds_weights(dir))) {
    throw Error(
        STRATA_E_IO,
        text("cannot write the folder ",
             dir.string(),
             replace ? ": something that is no folder of weights has that name; move it away"
                     : ": it is there already"));
  }
}

// Removed again, or what it changed places with.
class Folder {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  ~Folder() {
    std::error_code ignored;  // on the way out of a failure
    fs::remove_all(path_, ignored);
  }

  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

TensorSource source_of(const TensorReader& reader,
                       size_t tensor,
                       const std::string& name,
                       std::optional<int32_t> dtype) {
  const StoredTensor& stored = reader.tensors()[tensor];
  const int32_t to = dtype && is_floating(stored.dtype) ? *dtype : stored.dtype;
  return {name, to, stored.shape, nullptr, [&reader, tensor, to](const Put& put) {
            put_pieces(reader, tensor, to, put);
          }};
}

std::vector<TensorSource> sources_of(const TensorReader& reader, std::optional<int32_t> dtype) {
  std::vector<TensorSource> out;
  out.reserve(reader.tensors().size());
  for (size_t i = 0; i < reader.tensors().size(); ++i) {
    out.push_back(source_of(reader, i, reader.tensors()[i].name, dtype));
  }
  return out;
}

std::vector<HfShard> plan_hf_shards(std::span<const TensorSource> tensors, uint64_t max_bytes) {
  std::vector<HfShard> out(1);
  for (const TensorSource& tensor : tensors) {
    const uint64_t bytes = bytes_of(tensor);
    if (!out.back().tensors.empty() && bytes > max_bytes - std::min(max_bytes, out.back().bytes)) {
      out.emplace_back();
    }
    out.back().tensors.push_back(tensor);
    out.back().bytes += bytes;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].file = out.size() == 1
                      ? kOnly
                      : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, out.size());
  }
  return out;
}

void write_hf_folder(const fs::path& dir, const std::vector<HfShard>& shards, bool replace) {
  try {
    const fs::path full = full_path(dir);
    check_place(full, replace);
    const Folder aside(aside_of(full));
    for (const HfShard& shard : shards) {
      write_safetensors(aside.path() / shard.file, shard.tensors, {{"format", "pt"}});
    }
    if (shards.size() > 1) {
      write_text(aside.path() / kWeightIndex, index_of(shards));
    }
    sync_folder(aside.path());
    const fs::path old = move_into_place(aside.path(), full);
    sync_folder(full.parent_path());
    fs::remove_all(old);
  } catch (const fs::filesystem_error& e) {
    throw Error(STRATA_E_IO, e.what());
  }
}

}  // namespace strata::checkpoint
