// CIFAR-10 (Krizhevsky, 2009) and the quick start's digits, which come in the same layout.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "strata/cpp/data.hpp"

#include "image_file.hpp"

namespace {

namespace fs = std::filesystem;

/// What makes one data set of this layout different from another.
struct Source {
  const char* type;
  std::vector<std::string> train_files;
  std::string test_file;
  std::string folder;   // inside data_root where the files may lie as well; empty: none
  std::string hint;     // how to get them
  const char* classes;  // JSON
};

struct Config {
  std::string data_root;
  bool train = true;
};

struct DigitsConfig : Config {
  DigitsConfig() { data_root = "data/digits"; }
};

Source cifar10_source() {
  return {"CIFAR10",
          {"data_batch_1.bin",
           "data_batch_2.bin",
           "data_batch_3.bin",
           "data_batch_4.bin",
           "data_batch_5.bin"},
          "test_batch.bin",
          "cifar-10-batches-bin",
          "get the binary version from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it "
          "there, or set data_root to where it is",
          R"(["airplane", "automobile", "bird", "cat", "deer",)"
          R"( "dog", "frog", "horse", "ship", "truck"])"};
}

Source digits_source() {
  return {"Digits",
          {"data_batch_1.bin"},
          "test_batch.bin",
          "",
          "`make setup` exports them, or set data_root to where they are",
          R"(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])"};
}

class ImageDataset : public strata::Dataset {
 public:
  ImageDataset(Config config, Source source)
      : config_(std::move(config)), source_(std::move(source)) {}

  void open() override {
    const std::vector<std::string> names =
        config_.train ? source_.train_files : std::vector<std::string>{source_.test_file};
    const fs::path folder = find_folder(names.front());
    std::vector<cifar::ImageFile> files;
    for (const std::string& name : names) {
      if (!fs::exists(folder / name)) {
        throw strata::config_error(
            {}, source_.type, ": ", folder / name, " is missing; ", source_.hint);
      }
      files.emplace_back(folder / name);
    }
    files_.swap(files);
  }

  [[nodiscard]] int64_t size() const override {
    int64_t total = 0;
    for (const cifar::ImageFile& file : files_) {
      total += file.records();
    }
    return total;
  }

  void get(int64_t index, const strata::Sample& out) const override {
    int64_t record = index;
    for (const cifar::ImageFile& file : files_) {
      if (record >= 0 && record < file.records()) {
        read(file, record, out);
        return;
      }
      record -= file.records();
    }
    throw strata::Error(STRATA_E_ARGUMENT,
                        strata::text(source_.type, " has no sample ", index, "; it has ", size()));
  }

  [[nodiscard]] std::string meta() const override {
    return strata::text(
        R"({"classes": )", source_.classes, R"(, "dataset_type": ")", source_.type, R"("})");
  }

 private:
  [[nodiscard]] fs::path find_folder(const std::string& file) const {
    fs::path root = config_.data_root;
    if (fs::exists(root / file)) {
      return root;
    }
    if (!source_.folder.empty() && fs::exists(root / source_.folder / file)) {
      return root / source_.folder;
    }
    const std::string second =
        source_.folder.empty() ? "" : strata::text(" and ", root / source_.folder / file);
    throw strata::config_error({},
                               source_.type,
                               " found no data: looked for ",
                               root / file,
                               second,
                               " in ",
                               fs::current_path(),
                               "; ",
                               source_.hint);
  }

  static void read(const cifar::ImageFile& file, int64_t record, const strata::Sample& out) {
    const int64_t label = file.label(record);
    constexpr int64_t kShape[] = {cifar::kSide, cifar::kSide, cifar::kChannels};
    file.image(record, static_cast<uint8_t*>(out.make("img", STRATA_U8, kShape).data));
    *static_cast<int64_t*>(out.make("label", STRATA_I64, {}).data) = label;
  }

  Config config_;
  Source source_;
  std::vector<cifar::ImageFile> files_;
};

class Cifar10 final : public ImageDataset {
 public:
  explicit Cifar10(const Config& config) : ImageDataset(config, cifar10_source()) {}
};

class Digits final : public ImageDataset {
 public:
  explicit Digits(const DigitsConfig& config) : ImageDataset(config, digits_source()) {}
};

constexpr const char* kTrainDoc = "true: the training images; false: the test images";

}  // namespace

STRATA_PLUGIN(strata::exported<Cifar10, Config>("CIFAR10")
                  .doc("CIFAR-10, binary version. Fields: img u8 [32, 32, 3], label i64 [].")
                  .required("data_root",
                            &Config::data_root,
                            "folder with the .bin files, or with cifar-10-batches-bin/")
                  .field("train", &Config::train, kTrainDoc),
              strata::exported<Digits, DigitsConfig>("Digits")
                  .doc("Handwritten digits, 1500 to train and 297 to test. Fields: img u8 [32, 32, "
                       "3], label i64 [].")
                  .field("data_root",
                         &DigitsConfig::data_root,
                         "folder with data_batch_1.bin and test_batch.bin")
                  .field("train", &DigitsConfig::train, kTrainDoc));
