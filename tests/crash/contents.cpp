// Every number follows from the version, the name and the place.
#include "contents.hpp"

#include <cstddef>
#include <dlfcn.h>
#include <future>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "strata/abi/core.h"
#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/last_checkpoint.hpp"
#include "checkpoint/shard_file.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;
using checkpoint::CheckpointReader;
using checkpoint::Index;
using checkpoint::Kind;
using checkpoint::ShardPiece;
using nlohmann::json;

constexpr int64_t kElements = 300;
constexpr int64_t kAverages = 4500;  // a file of five blocks, which a thread of its own writes
constexpr int64_t kCut = 130;        // rank 1 has the elements of "a" from here on
constexpr int kRanks = 2;

std::vector<float> numbers(int version, int tensor, int64_t count = kElements) {
  std::vector<float> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    out[static_cast<size_t>(i)] = static_cast<float>(version * 10000 + tensor * 1000 + i);
  }
  return out;
}

/// The tensors of a version. Each rank has a piece of "a", rank 0 also the rest.
class Tensors {
 public:
  explicit Tensors(int version)
      : a_(numbers(version, 0)), b_(numbers(version, 1)), avg_(numbers(version, 2, kAverages)) {}

  /// Writes the files of one rank.
  [[nodiscard]] Index write(const fs::path& folder, int rank) const {
    const std::string tail = text("-0000", rank + 1, "-of-0000", kRanks, ".safetensors");
    const ShardPiece a = piece("a", Kind::kParam, a_, rank);
    if (rank != 0) {
      return checkpoint::write_shard(folder, "model" + tail, {a});
    }
    std::vector<Index> parts;
    parts.push_back(checkpoint::write_shard(
        folder,
        "model" + tail,
        {a, {"b", STRATA_F32, {3, kElements / 3}, Kind::kBuffer, 0, kElements, bytes(b_)}}));
    parts.push_back(checkpoint::write_shard(
        folder,
        "optimizer" + tail,
        {{"a.exp_avg", STRATA_F32, {kAverages}, Kind::kState, 0, kAverages, bytes(avg_)}},
        {.block = 4096}));
    return merge(std::move(parts));
  }

  void expect_in(const CheckpointReader& reader) const {
    expect_in(reader, "a", a_);
    expect_in(reader, "b", b_);
    expect_in(reader, "a.exp_avg", avg_);
  }

 private:
  static const std::byte* bytes(const std::vector<float>& values, int64_t from = 0) {
    return std::as_bytes(std::span(values)).data() + from * sizeof(float);
  }

  static ShardPiece piece(const char* name, Kind kind, const std::vector<float>& values, int rank) {
    const int64_t begin = rank == 0 ? 0 : kCut;
    const int64_t count = rank == 0 ? kCut : kElements - kCut;
    return {name, STRATA_F32, {kElements}, kind, begin, count, bytes(values, begin)};
  }

  static void expect_in(const CheckpointReader& reader,
                        const char* name,
                        const std::vector<float>& expected) {
    const auto found = reader.find(name);
    std::vector<float> stored(expected.size());
    const auto count = static_cast<int64_t>(expected.size());
    if (found.has_value() && reader.tensors()[*found].elements() == count) {
      reader.read(*found, 0, count, stored.data());
    }
    if (stored != expected) {
      throw std::runtime_error(
          text(reader.path().string(), ": ", name, " is not what was saved in it"));
    }
  }

  std::vector<float> a_, b_, avg_;
};

/// As ranks do: each writes its files while the others write theirs.
Index write_all(const Tensors& tensors, const fs::path& folder) {
  std::vector<std::future<Index>> ranks;
  ranks.reserve(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) {
    ranks.push_back(std::async(std::launch::async,
                               [&tensors, &folder, rank] { return tensors.write(folder, rank); }));
  }
  std::vector<Index> parts;
  parts.reserve(ranks.size());
  for (std::future<Index>& rank : ranks) {
    parts.push_back(rank.get());
  }
  return merge(std::move(parts));
}

void mark(const std::string& text) {
  // There when file_journal.so is loaded.
  static auto* const tell =
      reinterpret_cast<void (*)(const char*)>(::dlsym(RTLD_DEFAULT, "strata_test_mark"));
  if (tell != nullptr) {
    tell(text.c_str());
  }
}

std::string state_of(int version, int weights, const std::string& name) {
  return json{{"version", version}, {"weights", weights}, {"name", name}}.dump();
}

/// Without what a name has around it that is out of the way: ".NAME.old-<host>-<pid>".
std::string name_of(const fs::path& checkpoint) {
  const std::string name = checkpoint.filename().string();
  const size_t old = name.find(".old-");
  return old == std::string::npos ? name : name.substr(1, old - 1);
}

int weights_of(const fs::path& checkpoint) {
  return json::parse(checkpoint::read_state(checkpoint)).at("weights").get<int>();
}

}  // namespace

int Saver::next(const std::string& name) {
  mark(text("begin ", version_, " ", name));
  return version_++;
}

void Saver::save(const std::string& name, Last last) {
  const int version = next(name);
  checkpoint::NewCheckpoint made(work_dir_ / name);
  made.publish(write_all(Tensors(version), made.folder()), state_of(version, version, name));
  mark(text("published ", version, " ", name));
  if (last == Last::kUpdate) {
    checkpoint::write_last(work_dir_, work_dir_ / name);
    mark(text("last ", version, " ", name));
  }
}

void Saver::refresh(const std::string& name, Last last) {
  const int weights = weights_of(work_dir_ / name);
  const int version = next(name);
  checkpoint::rewrite_state(work_dir_ / name, state_of(version, weights, name));
  mark(text("published ", version, " ", name));
  if (last == Last::kUpdate) {
    mark(text("last ", version, " ", name));
  }
}

void Saver::remove(const std::string& name) const {
  mark(text("removing 0 ", name));
  checkpoint::remove_checkpoint(work_dir_ / name);
}

int version_of(const fs::path& checkpoint) {
  const CheckpointReader reader(checkpoint);
  reader.verify();
  Tensors(weights_of(checkpoint)).expect_in(reader);
  const json state = json::parse(checkpoint::read_state(checkpoint));
  if (state.at("name") != name_of(checkpoint)) {
    throw std::runtime_error(text(checkpoint.string(), " was saved as ", state.at("name").dump()));
  }
  return state.at("version").get<int>();
}

Found look(const fs::path& work_dir) {
  Found out;
  try {
    const auto last = checkpoint::find_last(work_dir);
    if (last.has_value()) {
      out.last = version_of(*last);
    }
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(work_dir, missing)) {
      const std::string name = entry.path().filename().string();
      const bool moved_away =
          name != name_of(entry.path()) && !fs::exists(work_dir / name_of(entry.path()));
      if (moved_away || (!name.starts_with('.') && name != "last_checkpoint")) {
        out.versions[name_of(entry.path())] = version_of(entry.path());
      }
    }
  } catch (const std::exception& e) {
    out.problem = e.what();
  }
  return out;
}

}  // namespace strata::test
