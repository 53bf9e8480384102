// strata checkpoint inspect: what lies in a checkpoint or a weights file, from its headers alone.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "app/cli.hpp"
#include "app/stored.hpp"
#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/dtype.hpp"
#include "checkpoint/index.hpp"
#include "checkpoint/tensor_reader.hpp"
#include "train/estimate.hpp"

namespace strata::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using train::size_text;

const char* text_of(checkpoint::Kind kind) {
  switch (kind) {
    case checkpoint::Kind::kParam:
      return "param";
    case checkpoint::Kind::kBuffer:
      return "buffer";
    case checkpoint::Kind::kState:
      return "state";
    default:
      return "rank";
  }
}

ordered_json entry(const checkpoint::StoredTensor& tensor) {
  const auto bytes =
      static_cast<uint64_t>(tensor.elements()) * checkpoint::dtype_bytes(tensor.dtype);
  return {{"name", tensor.name},
          {"dtype", checkpoint::dtype_name(tensor.dtype)},
          {"shape", tensor.shape},
          {"elements", tensor.elements()},
          {"bytes", bytes}};
}

ordered_json look_at_checkpoint(const fs::path& dir) {
  const checkpoint::Index index = checkpoint::read_index(dir);
  const auto state = ordered_json::parse(checkpoint::read_state(dir), nullptr, false);
  ordered_json out = {{"world_size", index.world_size}, {"counters", ordered_json::object()}};
  if (state.is_object() && state.contains("meta")) {
    out["counters"] = state["meta"];
  }
  out["tensors"] = ordered_json::array();
  for (const checkpoint::IndexedTensor& tensor : index.tensors) {
    ordered_json row = entry({tensor.name, tensor.dtype, tensor.shape});
    row["kind"] = text_of(tensor.kind);
    for (const checkpoint::Chunk& chunk : tensor.chunks) {
      row["chunks"].push_back(
          {{"file", chunk.file}, {"begin", chunk.begin}, {"count", chunk.count}});
    }
    out["tensors"].push_back(std::move(row));
  }
  out["files"] = ordered_json::array();
  for (const auto& [name, file] : index.files) {
    out["files"].push_back({{"name", name}, {"bytes", file.bytes}});
  }
  return out;
}

// The files of weights at the path, by name: itself, or those beside an index.
std::map<std::string, uint64_t> files_at(const fs::path& path) {
  if (!fs::is_directory(path) && path.extension() != ".json") {
    return {{path.filename().string(), fs::file_size(path)}};
  }
  const fs::path folder = fs::is_directory(path) ? path : fs::absolute(path).parent_path();
  std::map<std::string, uint64_t> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") {
      out.emplace(entry.path().filename().string(), entry.file_size());
    }
  }
  return out;
}

ordered_json look_at_weights(const fs::path& path) {
  const auto reader = checkpoint::open_tensors(path);
  ordered_json out = {{"tensors", ordered_json::array()}, {"files", ordered_json::array()}};
  for (const checkpoint::StoredTensor& tensor : reader->tensors()) {
    out["tensors"].push_back(entry(tensor));
  }
  for (const auto& [name, bytes] : files_at(path)) {
    out["files"].push_back({{"name", name}, {"bytes", bytes}});
  }
  return out;
}

ordered_json look(const fs::path& path) {
  const Stored kind = kind_of(path);
  const ordered_json found =
      kind == Stored::kCheckpoint ? look_at_checkpoint(path) : look_at_weights(path);
  ordered_json out = {{"path", path.string()}, {"kind", text_of(kind)}};
  out.update(found);
  ordered_json totals = {{"tensors", 0}, {"elements", 0}, {"bytes", 0}};
  for (const ordered_json& tensor : out["tensors"]) {
    totals["tensors"] = totals["tensors"].get<int64_t>() + 1;
    for (const char* key : {"elements", "bytes"}) {
      totals[key] = totals[key].get<int64_t>() + tensor[key].get<int64_t>();
    }
  }
  out["totals"] = totals;
  return out;
}

std::string heading(const ordered_json& found) {
  std::string out =
      fmt::format("{}: {}", found["path"].get<std::string>(), found["kind"].get<std::string>());
  if (found.contains("world_size")) {
    out += fmt::format(" by {} rank(s)", found["world_size"].get<int64_t>());
    for (const char* name : {"epoch", "iter", "step"}) {
      const auto count = found["counters"].find(name);
      out += count == found["counters"].end() ? "" : fmt::format(", {} {}", name, count->dump());
    }
  }
  return out;
}

void print_tensors(const ordered_json& tensors) {
  size_t width = 0;
  for (const ordered_json& t : tensors) {
    width = std::max(width, t["name"].get_ref<const std::string&>().size());
  }
  for (const ordered_json& t : tensors) {
    const size_t pieces = t.contains("chunks") ? t["chunks"].size() : 1;
    const std::string kind =
        t.contains("kind") ? fmt::format("{:<6}  ", t["kind"].get<std::string>()) : "";
    std::cout << fmt::format("  {:<{}}  {}{:<4}  {:>10}  [{}]{}\n",
                             t["name"].get<std::string>(),
                             width,
                             kind,
                             t["dtype"].get<std::string>(),
                             size_text(t["bytes"].get<int64_t>()),
                             fmt::join(t["shape"].get<std::vector<int64_t>>(), ", "),
                             pieces > 1 ? fmt::format(" in {} pieces", pieces) : "");
  }
}

void print(const ordered_json& found) {
  const ordered_json& totals = found["totals"];
  std::cout << heading(found) << "\n";
  print_tensors(found["tensors"]);
  std::cout << fmt::format("{} tensors of {} elements, {}\n",
                           totals["tensors"].get<int64_t>(),
                           totals["elements"].get<int64_t>(),
                           size_text(totals["bytes"].get<int64_t>()));
  for (const ordered_json& file : found["files"]) {
    std::cout << fmt::format(
        "  {}  {}\n", file["name"].get<std::string>(), size_text(file["bytes"].get<int64_t>()));
  }
}

}  // namespace

void checkpoint_inspect(const std::string& path, bool as_json) {
  const ordered_json found = look(path);
  if (as_json) {
    std::cout << found.dump(2) << "\n";
  } else {
    print(found);
  }
}

}  // namespace strata::app
