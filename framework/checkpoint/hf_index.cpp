// Files by name, none outside the folder.
#include "checkpoint/hf_index.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "checkpoint/mapped_file.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "checkpoint/strict_json.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

[[noreturn]] void refuse_index(const std::string& file, const std::string& why) {
  throw Error(STRATA_E_FAILED, text(file, " is no valid index of weights: ", why));
}

void check_name(const fs::path& name, const std::string& tensor, const std::string& index) {
  const bool climbs = std::ranges::find(name, fs::path("..")) != name.end();
  if (name.empty() || name.is_absolute() || climbs ||
      name.native().find('\0') != std::string::npos) {
    refuse_index(index,
                 text("it says that ",
                      tensor,
                      " lies in \"",
                      name.string(),
                      "\", which is not a file of its folder"));
  }
}

/// The folder that files must stay in, links followed.
fs::path border_of(const fs::path& folder) {
  const fs::path whole = fs::canonical(folder);
  const bool cached = whole.parent_path().filename() == "snapshots";
  return cached ? whole.parent_path().parent_path() : whole;
}

bool lies_in(const fs::path& file, const fs::path& folder) {
  return std::ranges::mismatch(folder, file).in1 == folder.end();
}

fs::path shard_path(const fs::path& index, const std::string& name) {
  const fs::path folder = index.parent_path().empty() ? "." : index.parent_path();
  const fs::path path = folder / name;
  std::error_code missing;
  const fs::path real = fs::canonical(path, missing);
  if (missing) {
    throw Error(STRATA_E_NOT_FOUND,
                text(index.string(),
                     " names ",
                     path.string(),
                     ", which cannot be opened: ",
                     missing.message()));
  }
  if (!lies_in(real, border_of(folder))) {
    refuse_index(index.string(),
                 text(path.string(), " is a link to ", real.string(), ", out of its folder"));
  }
  if (real.extension() == ".json" || fs::is_directory(real)) {
    refuse_index(index.string(), text(path.string(), " is not a file of weights"));
  }
  return path;
}

class IndexedReader final : public TensorReader {
 public:
  IndexedReader(const fs::path& path, const WeightMap& map) : path_(path) {
    std::map<std::string, std::vector<std::string>> wanted;
    for (const auto& [tensor, file] : map) {
      wanted[file].push_back(tensor);
    }
    for (const auto& [file, names] : wanted) {
      add_file(open_tensors(shard_path(path, file)), names);
    }
  }

  [[nodiscard]] const std::vector<StoredTensor>& tensors() const override { return tensors_; }

  [[nodiscard]] const fs::path& path() const override { return path_; }

  void read(size_t tensor, int64_t begin, int64_t count, void* out) const override {
    check_elements(*this, tensor, begin, count);
    const Place& place = places_[tensor];
    files_[place.file]->read(place.tensor, begin, count, out);
  }

 private:
  struct Place {
    size_t file;
    size_t tensor;
  };

  void add_file(std::unique_ptr<TensorReader> file, const std::vector<std::string>& names) {
    std::map<std::string, size_t> there;
    for (size_t i = 0; i < file->tensors().size(); ++i) {
      there.emplace(file->tensors()[i].name, i);
    }
    for (const std::string& name : names) {
      const auto found = there.find(name);
      if (found == there.end()) {
        refuse_index(
            path_.string(),
            text("it says that ", name, " lies in ", file->path().string(), ", where it is not"));
      }
      tensors_.push_back(file->tensors()[found->second]);
      places_.push_back({files_.size(), found->second});
    }
    files_.push_back(std::move(file));
  }

  fs::path path_;
  std::vector<std::unique_ptr<TensorReader>> files_;
  std::vector<StoredTensor> tensors_;
  std::vector<Place> places_;
};

}  // namespace

WeightMap read_weight_map(std::string_view json_text, const std::string& file) {
  constexpr int kMaxDepth = 8;  // of what programs put into "metadata"
  if (json_text.size() > kMaxHeaderBytes) {
    refuse_index(
        file,
        text("it has ", json_text.size(), " bytes; no index has more than ", kMaxHeaderBytes));
  }
  const Json parsed = parse_strictly(
      json_text, kMaxDepth, "it", [&](const std::string& why) { refuse_index(file, why); });
  if (!parsed.is_object() || !parsed.contains("weight_map") || !parsed["weight_map"].is_object()) {
    refuse_index(file, "it has no table \"weight_map\"");
  }
  WeightMap out;
  for (const auto& [tensor, name] : parsed["weight_map"].items()) {
    if (!name.is_string()) {
      refuse_index(file, text("the file of ", tensor, " is no text"));
    }
    out.emplace(tensor, name.get<std::string>());
    check_name(out[tensor], tensor, file);
  }
  return out;
}

std::unique_ptr<TensorReader> open_hf_index(const fs::path& path) {
  WeightMap map;
  {
    const MappedFile file(path);
    const auto* const bytes = reinterpret_cast<const char*>(file.bytes().data());
    map = read_weight_map({bytes, file.bytes().size()}, path.string());
  }
  return std::make_unique<IndexedReader>(path, map);
}

}  // namespace strata::checkpoint
