// Tensors out to a Python script beside this file and back: how a model is compared with PyTorch.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <ATen/ops/empty.h>

#include "plain_model.hpp"

namespace strata::testing {

inline const at::Tensor& named(const PlainModel::Named& list, const std::string& name) {
  for (const auto& [key, value] : list) {
    if (key == name) {
      return value;
    }
  }
  throw Error(STRATA_E_NOT_FOUND, name);
}

/// |got - expected| / |expected|, in float64.
inline double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor e = expected.to(at::kDouble);
  return ((got.to(at::kDouble) - e).norm() / e.norm().clamp_min(1e-30)).item<double>();
}

/// A folder that the test writes tensors into, as float64, and the script its answer.
class Exchange {
 public:
  /// The script's answer, taken apart from the front.
  class Result {
   public:
    explicit Result(at::Tensor values) : values_(std::move(values)) {}

    at::Tensor next(const at::Tensor& like) {
      at_ += like.numel();
      return values_.narrow(0, at_ - like.numel(), like.numel()).view(like.sizes());
    }

    [[nodiscard]] bool at_end() const { return at_ == values_.numel(); }

   private:
    at::Tensor values_;
    int64_t at_ = 0;
  };

  /// Whether there is a PyTorch to ask: LibTorch may come from elsewhere than a Python environment.
  static bool possible() { return !std::string(STRATA_TEST_PYTHON).empty(); }

  explicit Exchange(std::string script)
      : script_(std::move(script)),
        folder_(std::filesystem::temp_directory_path() / text("strata_parity_", getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  ~Exchange() { std::filesystem::remove_all(folder_); }

  void write(const std::string& kind, const PlainModel::Named& tensors) const {
    std::ofstream manifest(folder_ / "manifest.txt", std::ios::app);
    std::ofstream values(folder_ / "values.bin", std::ios::app | std::ios::binary);
    for (const auto& [name, tensor] : tensors) {
      manifest << kind << ' ' << name;
      for (const int64_t n : tensor.sizes()) {
        manifest << ' ' << n;
      }
      manifest << '\n';
      const at::Tensor data = tensor.detach().to(at::kDouble).contiguous();
      values.write(static_cast<const char*>(data.const_data_ptr()), data.numel() * 8);
    }
  }

  /// The script's exit status. arguments: after the folder.
  [[nodiscard]] int run(const std::string& arguments = {}) const {
    return std::system(text('"',
                            STRATA_TEST_PYTHON,
                            "\" \"" STRATA_SOURCE_DIR "/tests/parity/",
                            script_,
                            "\" \"",
                            folder_.string(),
                            "\" ",
                            arguments)
                           .c_str());
  }

  [[nodiscard]] Result result() const {
    const auto bytes = std::filesystem::file_size(folder_ / "result.bin");
    const at::Tensor out = at::empty({static_cast<int64_t>(bytes / 8)}, at::kDouble);
    std::ifstream(folder_ / "result.bin", std::ios::binary)
        .read(static_cast<char*>(out.mutable_data_ptr()), static_cast<std::streamsize>(bytes));
    return Result(out);
  }

 private:
  std::string script_;
  std::filesystem::path folder_;
};

}  // namespace strata::testing
