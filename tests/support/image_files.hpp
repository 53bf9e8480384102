// Image files in CIFAR-10's binary layout, with contents that a test can foresee.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace strata::test {

/// A folder that goes away with its owner.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "strata-data-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }

  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  ~TempFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline constexpr int64_t kPlane = int64_t{32} * 32;

/// Byte `i` (plane by plane) of the image with the given number.
inline uint8_t image_byte(int64_t number, int64_t i) {
  return static_cast<uint8_t>((number * 7 + i * 13 + i / 5) % 256);
}

/// Writes `count` records; record r is image first + r with label (first + r) % 10.
inline void write_images(const std::filesystem::path& path, int64_t count, int64_t first = 0) {
  std::filesystem::create_directories(path.parent_path());
  std::vector<char> bytes;
  for (int64_t number = first; number < first + count; ++number) {
    bytes.push_back(static_cast<char>(number % 10));
    for (int64_t i = 0; i < 3 * kPlane; ++i) {
      bytes.push_back(static_cast<char>(image_byte(number, i)));
    }
  }
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// data_batch_1..5.bin of `per_file` images each, and test_batch.bin of as many.
inline void write_cifar10(const std::filesystem::path& folder, int64_t per_file) {
  for (int64_t file = 0; file < 5; ++file) {
    write_images(
        folder / ("data_batch_" + std::to_string(file + 1) + ".bin"), per_file, file * per_file);
  }
  write_images(folder / "test_batch.bin", per_file, 1000);
}

}  // namespace strata::test
