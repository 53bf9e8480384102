// Every number follows from the version, the name and the place.
#include "contents.hpp"

#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <nlohmann/json.hpp>

#include "strata/abi/core.h"
#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/last_checkpoint.hpp"

namespace strata::test {
namespace {

namespace fs = std::filesystem;
using checkpoint::TensorSource;
using nlohmann::json;

constexpr int64_t kElements = 300;

std::vector<float> numbers(int version, int tensor) {
  std::vector<float> out(kElements);
  for (int64_t i = 0; i < kElements; ++i) {
    out[static_cast<size_t>(i)] = static_cast<float>(version * 10000 + tensor * 1000 + i);
  }
  return out;
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

json read_state(const fs::path& file) {
  std::ifstream in(file);
  return json::parse(in);
}

void expect_numbers(const fs::path& file, const char* name, int version, int tensor) {
  const checkpoint::SafetensorsFile stored(file);
  const checkpoint::TensorInfo* const info = stored.find(name);
  const std::vector<float> expected = numbers(version, tensor);
  if (info == nullptr || info->bytes() != expected.size() * sizeof(float) ||
      std::memcmp(stored.data(*info).data(), expected.data(), info->bytes()) != 0) {
    throw std::runtime_error(text(file.string(), " does not have what was saved as ", version));
  }
}

}  // namespace

int Saver::next(const std::string& name) {
  mark(text("begin ", version_, " ", name));
  return version_++;
}

void Saver::save(const std::string& name) {
  const int version = next(name);
  const std::vector<std::vector<float>> data = {
      numbers(version, 0), numbers(version, 1), numbers(version, 2)};
  checkpoint::CheckpointContent content;
  content.model = {TensorSource{"a", STRATA_F32, {kElements}, data[0].data()},
                   TensorSource{"b", STRATA_F32, {3, kElements / 3}, data[1].data()}};
  content.optimizer = {TensorSource{"a.exp_avg", STRATA_F32, {kElements}, data[2].data()}};
  content.state = state_of(version, version, name);
  checkpoint::save_checkpoint(work_dir_ / name, content);
  checkpoint::write_last(work_dir_, work_dir_ / name);
  mark(text("published ", version));
}

void Saver::refresh(const std::string& name) {
  const fs::path dir = work_dir_ / name;
  const int weights = read_state(checkpoint::open_checkpoint(dir).state).at("weights").get<int>();
  const int version = next(name);
  checkpoint::rewrite_state(dir, state_of(version, weights, name));
  mark(text("published ", version));
}

void Saver::remove(const std::string& name) const {
  checkpoint::remove_checkpoint(work_dir_ / name);
}

int version_of(const fs::path& checkpoint) {
  const auto paths = checkpoint::open_checkpoint(checkpoint, checkpoint::Need::kAll);
  const json state = read_state(paths.state);
  const int weights = state.at("weights").get<int>();
  expect_numbers(paths.model, "a", weights, 0);
  expect_numbers(paths.model, "b", weights, 1);
  expect_numbers(paths.optimizer, "a.exp_avg", weights, 2);
  if (state.at("name") != checkpoint.filename().string()) {
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
      if (!name.starts_with('.') && name != "last_checkpoint") {
        version_of(entry.path());
      }
    }
  } catch (const std::exception& e) {
    out.problem = e.what();
  }
  return out;
}

}  // namespace strata::test
