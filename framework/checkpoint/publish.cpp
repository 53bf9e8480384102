// Collects the parts of a published file and names it.
#include "checkpoint/publish.hpp"

#include <system_error>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

#include "checkpoint/averaged_reader.hpp"
#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/convert.hpp"
#include "checkpoint/file_out.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/sha256.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kAverage = "ema";  // the state of averages, as MMEngine has one kind

class Collector {
 public:
  explicit Collector(const fs::path& checkpoint)
      : all_(checkpoint),
        averaged_(checkpoint, kAverage),
        state_(Json::parse(read_state(checkpoint))) {}

  void add(const std::string& key) {
    if (key == "state_dict") {
      for (size_t i = 0; i < averaged_.tensors().size(); ++i) {
        tensors.push_back(source_of(averaged_, i, averaged_.tensors()[i].name));
      }
    } else if (key == "ema_state_dict") {
      add_trained();
    } else if (key == "optimizer") {
      add_states();
    } else if (key == "meta") {
      add_meta();
    } else if (key == "message_hub" || key == "param_schedulers") {
      add_text(key);
    } else {
      throw Error(STRATA_E_ARGUMENT, text("a checkpoint has no part \"", key, "\" to publish"));
    }
  }

  std::vector<TensorSource> tensors;
  Metadata metadata = {{"format", "pt"}};

 private:
  [[nodiscard]] bool is_average(const std::string& name) const {
    return name.ends_with(text(".", kAverage));
  }

  // MMEngine calls the weights so that the averages were made from: it swaps the two when it saves.
  void add_trained() {
    for (size_t i = 0; i < all_.tensors().size(); ++i) {
      const std::string& name = all_.tensors()[i].name;
      if (is_weight(all_.kind(i)) && all_.find(text(name, ".", kAverage))) {
        tensors.push_back(source_of(all_, i, "ema_state_dict." + name));
      }
    }
  }

  void add_states() {
    for (size_t i = 0; i < all_.tensors().size(); ++i) {
      const std::string& name = all_.tensors()[i].name;
      if (all_.kind(i) == Kind::kState && !is_average(name)) {
        tensors.push_back(source_of(all_, i, "optimizer." + name));
      }
    }
  }

  void add_meta() {
    Json meta = state_.value("meta", Json::object());
    for (const char* key : {"seed", "time", "experiment_name", "strata", "config"}) {
      if (state_.contains(key)) {
        meta[key] = state_.at(key);
      }
    }
    metadata["meta"] = meta.dump();
  }

  void add_text(const std::string& key) {
    if (state_.contains(key)) {
      const Json& value = state_.at(key);
      metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }

  CheckpointReader all_;
  AveragedReader averaged_;
  Json state_;
};

}  // namespace

fs::path publish(const fs::path& checkpoint, const std::vector<std::string>& keys) {
  const fs::path dir = full_path(checkpoint);
  Collector collector(dir);
  for (const std::string& key : keys) {
    collector.add(key);
  }
  const std::string stem =
      dir.extension() == ".pth" ? dir.stem().string() : dir.filename().string();
  const fs::path unnamed = dir.parent_path() / text(".", stem, ".publishing.safetensors");
  write_safetensors(unnamed, collector.tensors, collector.metadata);
  const fs::path named =
      dir.parent_path() / text(stem, "-", sha256_of(unnamed).substr(0, 8), ".safetensors");
  std::error_code failure;
  fs::rename(unnamed, named, failure);
  if (failure) {
    throw Error(STRATA_E_IO, text("cannot write ", named.string(), ": ", failure.message()));
  }
  sync_folder(dir.parent_path());
  return named;
}

}  // namespace strata::checkpoint
