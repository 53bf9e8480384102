// index.json, written plainly and read trusting nothing.
#include "checkpoint/index.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "checkpoint/dtype.hpp"
#include "checkpoint/hash.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "checkpoint/strict_json.hpp"

namespace strata::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "strata-checkpoint/1";
constexpr std::array kKinds = {std::pair(Kind::kParam, "param"),
                               std::pair(Kind::kBuffer, "buffer"),
                               std::pair(Kind::kState, "state"),
                               std::pair(Kind::kRank, "rank")};

int64_t elements(const IndexedTensor& tensor) {
  if (std::ranges::find(tensor.shape, 0) != tensor.shape.end()) {
    return 0;  // whatever the other sizes come to
  }
  int64_t out = 1;
  for (const int64_t size : tensor.shape) {
    out *= size;
  }
  return out;
}

// What is wrong with the text that is being read.
struct IndexRefusal {
  const std::string& file;

  template <class... Parts>
  [[noreturn]] void operator()(const Parts&... parts) const {
    throw Error(STRATA_E_FAILED, text(file, " is no valid index of a checkpoint: ", parts...));
  }
};

Json parse(std::string_view json, const IndexRefusal& refuse) {
  constexpr int kMaxDepth = 6;
  Json out = parse_strictly(json, kMaxDepth, "it", [&](const std::string& why) { refuse(why); });
  if (!out.is_object()) {
    refuse("it is no table");
  }
  return out;
}

// The parser takes a number for a list of one, and an empty list for an empty table.
const Json& table_at(const Json& in, const char* key, const IndexRefusal& refuse) {
  if (!in.at(key).is_object()) {
    refuse("its ", key, " are no table");
  }
  return in.at(key);
}

const Json& list_at(const Json& in,
                    const char* key,
                    const std::string& tensor,
                    const IndexRefusal& refuse) {
  if (!in.at(key).is_array()) {
    refuse("the ", key, " of ", tensor, " is no list");
  }
  return in.at(key);
}

Kind kind_of(const std::string& name, const std::string& tensor, const IndexRefusal& refuse) {
  for (const auto& [kind, known] : kKinds) {
    if (name == known) {
      return kind;
    }
  }
  refuse("the kind \"", name, "\" of ", tensor, " is not one that is read here");
}

uint64_t hash_at(const Json& value, const IndexRefusal& refuse) {
  const auto hash = parse_hash(value.get<std::string>());
  if (!hash) {
    refuse(value.dump(), " is no checksum");
  }
  return *hash;
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// For messages: "<whose> has -1 <where>".
int64_t whole_number(const Json& value,
                     const std::string& whose,
                     const char* where,
                     const IndexRefusal& refuse) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    refuse(whose, " has ", value.dump(), " ", where);
  }
  return value.get<int64_t>();
}

std::map<std::string, IndexedFile> read_files(const Json& files, const IndexRefusal& refuse) {
  std::map<std::string, IndexedFile> out;
  for (const auto& [name, value] : files.items()) {
    if (!is_file_name(name)) {
      refuse("it names the file \"", name, "\", which is not one in its folder");
    }
    const int64_t bytes = whole_number(value.at("bytes"), name, "for its bytes", refuse);
    out[name] = {static_cast<uint64_t>(bytes), hash_at(value.at("header"), refuse)};
  }
  return out;
}

IndexedTensor read_indexed(const std::string& name, const Json& value, const IndexRefusal& refuse) {
  IndexedTensor out;
  out.name = name;
  const auto dtype = dtype_of(value.at("dtype").get<std::string>());
  if (!dtype) {
    refuse("the dtype of ", name, " is not one that is read here");
  }
  out.dtype = *dtype;
  out.kind = kind_of(value.at("kind").get<std::string>(), name, refuse);
  constexpr const char* kPlace = "in its shape or chunks";
  for (const Json& size : list_at(value, "shape", name, refuse)) {
    out.shape.push_back(whole_number(size, name, kPlace, refuse));
  }
  uint64_t bytes = 0;
  if (!tensor_bytes(out.dtype, out.shape, bytes) || bytes > uint64_t{INT64_MAX}) {
    refuse("the shape of ", name, " has more elements than memory has addresses");
  }
  for (const Json& chunk : list_at(value, "chunks", name, refuse)) {
    out.chunks.push_back({chunk.at(0).get<std::string>(),
                          whole_number(chunk.at(1), name, kPlace, refuse),
                          whole_number(chunk.at(2), name, kPlace, refuse),
                          hash_at(chunk.at(3), refuse)});
  }
  return out;
}

void check_chunks(const IndexedTensor& tensor,
                  const Index& index,
                  bool complete,
                  const IndexRefusal& refuse) {
  const int64_t numel = elements(tensor);
  int64_t at = 0;
  for (const Chunk& chunk : tensor.chunks) {
    if (!index.files.contains(chunk.file)) {
      refuse(tensor.name, " lies in \"", chunk.file, "\", which it does not list");
    }
    if (chunk.begin < at || (complete && chunk.begin != at) || chunk.begin > numel ||
        chunk.count > numel - chunk.begin) {
      refuse(tensor.name,
             ": elements ",
             chunk.begin,
             " and the ",
             chunk.count,
             " from there do not follow ",
             at,
             " of ",
             numel);
    }
    at = chunk.begin + chunk.count;
  }
  if (complete && (at != numel || tensor.chunks.empty())) {
    refuse(tensor.name, " ends at element ", at, " of ", numel);
  }
}

Json chunks_json(const IndexedTensor& tensor) {
  Json out = Json::array();
  for (const Chunk& c : tensor.chunks) {
    out.push_back({c.file, c.begin, c.count, hash_text(c.hash)});
  }
  return out;
}

const char* kind_text(Kind kind) {
  return std::ranges::find(kKinds, kind, [](const auto& k) { return k.first; })->second;
}

}  // namespace

std::string chunk_key(const IndexedTensor& tensor, const Chunk& chunk) {
  return chunk.count == elements(tensor)
             ? tensor.name
             : text(tensor.name, "[", chunk.begin, ":", chunk.begin + chunk.count, "]");
}

Index merge(std::vector<Index> parts) {
  Index out;
  std::map<std::string, size_t> places;
  for (Index& part : parts) {
    out.world_size = std::max(out.world_size, part.world_size);
    out.files.merge(part.files);
    for (IndexedTensor& tensor : part.tensors) {
      const auto [it, first] = places.emplace(tensor.name, out.tensors.size());
      if (first) {
        out.tensors.push_back(std::move(tensor));
      } else {
        auto& chunks = out.tensors[it->second].chunks;
        chunks.insert(chunks.end(), tensor.chunks.begin(), tensor.chunks.end());
      }
    }
  }
  for (IndexedTensor& tensor : out.tensors) {
    std::ranges::sort(tensor.chunks, {}, &Chunk::begin);
  }
  return out;
}

std::string encode_index(const Index& index) {
  Json files = Json::object();
  for (const auto& [name, file] : index.files) {
    files[name] = {{"bytes", file.bytes}, {"header", hash_text(file.header_hash)}};
  }
  Json tensors = Json::object();
  for (const IndexedTensor& tensor : index.tensors) {
    tensors[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                            {"shape", tensor.shape},
                            {"kind", kind_text(tensor.kind)},
                            {"chunks", chunks_json(tensor)}};
  }
  const Json out = {{"format", kFormat},
                    {"world_size", index.world_size},
                    {"files", std::move(files)},
                    {"tensors", std::move(tensors)}};
  return out.dump(1);
}

Index decode_index(std::string_view json, const std::string& file, bool complete) {
  const IndexRefusal refuse{file};
  const Json in = parse(json, refuse);
  try {
    if (in.at("format") != kFormat) {
      refuse("its format is ", in.at("format").dump(), ", this version reads \"", kFormat, "\"");
    }
    Index out;
    out.world_size = whole_number(in.at("world_size"), "it", "for world_size", refuse);
    if (out.world_size == 0) {
      refuse("it has 0 for world_size");
    }
    out.files = read_files(table_at(in, "files", refuse), refuse);
    for (const auto& [name, value] : table_at(in, "tensors", refuse).items()) {
      out.tensors.push_back(read_indexed(name, value, refuse));
      check_chunks(out.tensors.back(), out, complete, refuse);
    }
    return out;
  } catch (const Json::exception& e) {
    refuse("it lacks something or has it in another form: ", e.what());
  }
}

}  // namespace strata::checkpoint
