// What the tests of the program share.
#include "scene.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace strata::test {
namespace {

constexpr const char* kBase = R"([model]
type = "MLP"
in_features = 3072
hidden = [16]
num_classes = 10
[train_dataloader]
batch_size = 6
sampler = { type = "DefaultSampler", shuffle = true }
[train_dataloader.dataset]
type = "Digits"
data_root = "data"
transforms = [{ type = "RandomCrop", size = 32, padding = 2 }, { type = "ToTensor" }]
[optim_wrapper]
optimizer = { type = "AdamW", lr = 3e-3 }
[default_hooks]
logger = { interval = 1, ignore_last = false }
[log_processor]
window_size = 1
[randomness]
seed = 3
)";

std::vector<fs::path> run_folders(const fs::path& work) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(work)) {
    if (fs::exists(entry.path() / "vis_data")) {
      out.push_back(entry.path());
    }
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary);
  out << content << std::flush;
  ASSERT_TRUE(out.good()) << path;
}

void write_striped_digits(const fs::path& path, int count) {
  fs::create_directories(path.parent_path());
  std::string bytes;
  for (int number = 0; number < count; ++number) {
    const int label = number % 10;
    bytes.push_back(static_cast<char>(label));
    for (int64_t i = 0; i < 3 * kPlane; ++i) {
      const int64_t row = i % kPlane / 32;
      const int64_t noise = (int64_t{number} * 37 + i * 101 + i / 7) % 60;
      bytes.push_back(static_cast<char>(row / 3 == label ? 150 + noise : noise));
    }
  }
  write_text(path, bytes);
}

Scene::Scene() {
  write_striped_digits(path("data/data_batch_1.bin"), kTrainImages);
  write_striped_digits(path("data/test_batch.bin"), kTestImages);
  write_text(path("base.toml"), kBase);
}

std::string Scene::config(const std::string& text, const std::string& name) const {
  write_text(path(name + ".toml"), "_base_ = [\"base.toml\"]\n" + text);
  return name + ".toml";
}

Start Scene::strata(std::vector<std::string> args) const {
  args.insert(args.begin(), STRATA_BINARY_DIR "/bin/strata");
  // One thread: the models are tiny, and many tests run at once.
  return {std::move(args), {{"OMP_NUM_THREADS", "1"}}, path().string(), {}};
}

Outcome Scene::run_strata(std::vector<std::string> args) const {
  return run(strata(std::move(args)));
}

Outcome Scene::train(const std::string& config,
                     const std::string& work,
                     std::vector<std::string> more) const {
  std::vector<std::string> args = {"train", config, "--work-dir", work};
  args.insert(args.end(), more.begin(), more.end());
  Outcome outcome = run_strata(std::move(args));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome;
}

std::vector<nlohmann::json> Scene::scalars(const std::string& work) const {
  std::vector<nlohmann::json> out;
  for (const fs::path& folder : run_folders(path(work))) {
    std::istringstream lines(read_text(folder / "vis_data" / "scalars.json"));
    for (std::string line; std::getline(lines, line);) {
      out.push_back(nlohmann::json::parse(line));
    }
  }
  return out;
}

std::vector<double> Scene::series(const std::string& work, const std::string& key) const {
  std::vector<double> out;
  for (const nlohmann::json& line : scalars(work)) {
    if (line.contains(key)) {
      out.push_back(line[key].get<double>());
    }
  }
  return out;
}

std::string Scene::log_of(const std::string& work) const {
  const std::vector<fs::path> folders = run_folders(path(work));
  EXPECT_EQ(folders.size(), 1U) << work;
  return folders.empty() ? "" : read_text(folders[0] / (folders[0].filename().string() + ".log"));
}

}  // namespace strata::test
