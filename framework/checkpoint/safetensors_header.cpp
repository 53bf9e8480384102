// Writes headers, and reads them trusting nothing.
#include "checkpoint/safetensors_header.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/strict_json.hpp"

namespace strata::checkpoint {
namespace {

using Json =
    nlohmann::json;  // sorted: finding a key in an ordered one takes a search from the front

constexpr const char* kMetadata = "__metadata__";

// What is wrong with the file that is being read.
struct HeaderRefusal {
  const std::string& file;

  template <class... Parts>
  [[noreturn]] void operator()(const Parts&... parts) const {
    throw Error(STRATA_E_FAILED, text(file, " is no valid safetensors file: ", parts...));
  }
};

std::pair<uint64_t, uint64_t> read_offsets(const Json& value,
                                           const std::string& name,
                                           const HeaderRefusal& refuse) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
      !value[1].is_number_unsigned()) {
    refuse("data_offsets of ", name, " are not two numbers");
  }
  return {value[0].get<uint64_t>(), value[1].get<uint64_t>()};
}

TensorInfo read_tensor(const std::string& name, const Json& value, const HeaderRefusal& refuse) {
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
      !value.contains("shape") || !value.contains("data_offsets")) {
    refuse("the entry of ", name, " does not have dtype, shape and data_offsets");
  }
  const Json& type = value["dtype"];
  const auto dtype = type.is_string() ? dtype_of(type.get<std::string>()) : std::nullopt;
  if (!dtype) {
    refuse("the dtype ", type.dump(), " of ", name, " is not one that is read here");
  }
  TensorInfo out{name, *dtype, {}, 0, 0};
  if (!value["shape"].is_array()) {
    refuse("the shape of ", name, " is not a list");
  }
  for (const Json& size : value["shape"]) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > uint64_t{INT64_MAX}) {
      refuse("the shape of ", name, " has ", size.dump(), " in it");
    }
    out.shape.push_back(size.get<int64_t>());
  }
  std::tie(out.begin, out.end) = read_offsets(value["data_offsets"], name, refuse);
  return out;
}

void check_tensor(const TensorInfo& tensor, uint64_t data_bytes, const HeaderRefusal& refuse) {
  uint64_t bytes = 0;
  if (!tensor_bytes(tensor.dtype, tensor.shape, bytes)) {
    refuse("the shape of ", tensor.name, " has more elements than memory has addresses");
  }
  if (tensor.begin > tensor.end || tensor.end > data_bytes) {
    refuse(tensor.name,
           " lies at bytes ",
           tensor.begin,
           " to ",
           tensor.end,
           " of ",
           data_bytes,
           "; the file may be cut short");
  }
  if (tensor.bytes() != bytes) {
    refuse(tensor.name, " has ", tensor.bytes(), " bytes, its dtype and shape need ", bytes);
  }
}

void check_gapless(const std::vector<TensorInfo>& tensors,
                   uint64_t data_bytes,
                   const HeaderRefusal& refuse) {
  uint64_t at = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.begin != at) {
      refuse(tensor.name, " begins at byte ", tensor.begin, " where ", at, " is next");
    }
    at = tensor.end;
  }
  if (at != data_bytes) {
    refuse("its tensors end at byte ", at, " of ", data_bytes);
  }
}

Metadata read_metadata(const Json& value, const HeaderRefusal& refuse) {
  if (!value.is_object()) {
    refuse("__metadata__ is not a table");
  }
  Metadata out;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      refuse("__metadata__ has \"", key, "\" that is not a text");
    }
    out[key] = text.get<std::string>();
  }
  return out;
}

void check_names(const std::vector<TensorInfo>& tensors) {
  std::set<std::string_view> seen;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.name == kMetadata || !seen.insert(tensor.name).second) {
      throw Error(STRATA_E_ARGUMENT,
                  text("a safetensors file cannot hold the name \"",
                       tensor.name,
                       tensor.name == kMetadata ? "\": it is the format's own" : "\" twice"));
    }
  }
}

}  // namespace

bool tensor_bytes(int32_t dtype, const std::vector<int64_t>& shape, uint64_t& out) {
  out = dtype_bytes(dtype);
  // A size of 0 makes the product 0 whatever overflowed before it.
  if (std::ranges::find(shape, 0) != shape.end()) {
    out = 0;
  }
  return std::ranges::all_of(shape, [&](int64_t size) {
    return size >= 0 && !__builtin_mul_overflow(out, static_cast<uint64_t>(size), &out);
  });
}

std::string encode_header(const Header& header) {
  check_names(header.tensors);
  std::string json = "{";
  try {
    if (!header.metadata.empty()) {
      json += Json(kMetadata).dump() + ":" + Json(header.metadata).dump();
    }
    for (const TensorInfo& tensor : header.tensors) {
      const Json entry = {{"dtype", dtype_name(tensor.dtype)},
                          {"shape", tensor.shape},
                          {"data_offsets", {tensor.begin, tensor.end}}};
      json += (json.size() > 1 ? "," : "") + Json(tensor.name).dump() + ":" + entry.dump();
    }
  } catch (const Json::exception& e) {
    throw Error(STRATA_E_ARGUMENT, text("a name for a safetensors file is not UTF-8: ", e.what()));
  }
  json += "}";
  if (json.size() > kMaxHeaderBytes) {
    throw Error(STRATA_E_ARGUMENT,
                text("the header of a safetensors file would have ",
                     json.size(),
                     " bytes; readers take up to ",
                     kMaxHeaderBytes));
  }
  json.append((8 - json.size() % 8) % 8, ' ');
  return json;
}

Header decode_header(std::string_view json, uint64_t data_bytes, const std::string& file) {
  const HeaderRefusal refuse{file};
  if (!json.starts_with('{')) {
    refuse("its header does not begin with {");
  }
  constexpr int kMaxDepth = 3;
  const Json parsed =
      parse_strictly(json, kMaxDepth, "its header", [&](const std::string& why) { refuse(why); });
  Header out;
  for (const auto& [name, value] : parsed.items()) {
    if (name == kMetadata) {
      out.metadata = read_metadata(value, refuse);
    } else {
      out.tensors.push_back(read_tensor(name, value, refuse));
      check_tensor(out.tensors.back(), data_bytes, refuse);
    }
  }
  // Empty tensors share their place with their successor.
  std::ranges::stable_sort(
      out.tensors, {}, [](const TensorInfo& t) { return std::pair(t.begin, t.end); });
  check_gapless(out.tensors, data_bytes, refuse);
  return out;
}

Header read_header(std::span<const std::byte> bytes,
                   const std::string& file,
                   uint64_t& data_begin) {
  const HeaderRefusal refuse{file};
  uint64_t length = 0;
  if (bytes.size() < sizeof(length)) {
    refuse("it has ", bytes.size(), " bytes, the length of its header alone needs 8");
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > kMaxHeaderBytes) {
    refuse("it claims a header of ", length, " bytes; the format allows ", kMaxHeaderBytes);
  }
  if (length > bytes.size() - sizeof(length)) {
    refuse(
        "its header has ", length, " bytes, the file only ", bytes.size(), "; it may be cut short");
  }
  data_begin = sizeof(length) + length;
  const auto* const json = reinterpret_cast<const char*>(bytes.data()) + sizeof(length);
  return decode_header({json, length}, bytes.size() - data_begin, file);
}

}  // namespace strata::checkpoint
