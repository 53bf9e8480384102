// A folder with data and configurations, in which tests run the real program.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "image_files.hpp"
#include "program.hpp"

namespace strata::test {

namespace fs = std::filesystem;

/// Parts of a configuration, after base.toml: model, training data, optimizer and seed.
inline constexpr const char* kThreeIterations = "[train_cfg]\nby_epoch = false\nmax_iters = 3\n";
inline constexpr const char* kTwoEpochs = "[train_cfg]\nmax_epochs = 2\n";
/// To be put first: the plugins that only tests have (FlatStrategy, StopHook).
inline constexpr const char* kTestPlugins =
    "plugins = { paths = [\"" STRATA_BINARY_DIR "/tests/plugins\"] }\n";
inline constexpr const char* kValidation = R"(
[val_cfg]
[val_evaluator]
type = "Accuracy"
[val_dataloader]
batch_size = 4
sampler = { type = "DefaultSampler", shuffle = false }
[val_dataloader.dataset]
type = "Digits"
data_root = "data"
train = false
transforms = [{ type = "ToTensor" }]
)";

inline constexpr int kTrainImages = 48;
inline constexpr int kTestImages = 29;  // no multiple of 2, 3 or 4 ranks

std::string read_text(const fs::path& path);
void write_text(const fs::path& path, const std::string& content);

/// `count` images in the layout of Digits: a bright stripe tells the class, the rest is noise.
void write_striped_digits(const fs::path& path, int count);

/// Each test has a folder of its own, from which the program is started:
///   data/      Digits
///   base.toml  a small MLP on them, to which a test adds what it is about; each iteration is
///              logged, with its own loss
class Scene : public testing::Test {
 protected:
  Scene();

  [[nodiscard]] fs::path path(const std::string& name = "") const { return folder_.path() / name; }

  /// Writes <name>.toml: base.toml (line 1), then the text from line 2 on. Returns the file's name.
  [[nodiscard]] std::string config(const std::string& text = kThreeIterations,
                                   const std::string& name = "run") const;

  /// `strata` with these arguments, in the scene's folder.
  [[nodiscard]] Start strata(std::vector<std::string> args) const;
  [[nodiscard]] Outcome run_strata(std::vector<std::string> args) const;
  /// strata train CONFIG --work-dir `work` …; a failure of the test unless it ends with 0.
  Outcome train(const std::string& config,
                const std::string& work,
                std::vector<std::string> more = {}) const;

  /// The lines of all runs in a work_dir's scalars.json, the oldest run first.
  [[nodiscard]] std::vector<nlohmann::json> scalars(const std::string& work) const;
  /// One key of those lines that have it.
  [[nodiscard]] std::vector<double> series(const std::string& work, const std::string& key) const;
  /// The log of the only run in a work_dir.
  [[nodiscard]] std::string log_of(const std::string& work) const;

 private:
  TempFolder folder_;
};

}  // namespace strata::test
