// ToTensor and Normalize, to the bit as torchvision's in float32.
#pragma once

#include <array>
#include <vector>

#include "image.hpp"

namespace image {

class ToTensor final : public strata::Transform {
 public:
  ToTensor() {
    for (size_t i = 0; i < table_.size(); ++i) {
      table_[i] = static_cast<float>(i) / 255.0F;  // not times 1/255: that rounds differently
    }
  }

  void apply(const strata::Sample& sample) const override {
    const strata_array in = get(sample, "ToTensor", STRATA_U8);
    const int64_t channels = in.shape[2];
    const int64_t pixels = in.shape[0] * in.shape[1];
    const strata_array out = make(sample, STRATA_F32, channels, in.shape[0], in.shape[1]);
    const auto* const from = static_cast<const uint8_t*>(in.data);
    auto* const to = static_cast<float*>(out.data);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < pixels; ++i) {
        to[c * pixels + i] = table_[from[i * channels + c]];
      }
    }
  }

 private:
  std::array<float, 256> table_{};
};

struct NormalizeConfig {
  std::vector<double> mean;
  std::vector<double> std;
  bool inplace = false;
};

class Normalize final : public strata::Transform {
 public:
  explicit Normalize(const NormalizeConfig& config) {
    if (config.mean.empty() || config.mean.size() != config.std.size()) {
      throw strata::config_error({},
                                 "Normalize has ",
                                 config.mean.size(),
                                 " numbers in mean and ",
                                 config.std.size(),
                                 " in std; give one of each per channel");
    }
    for (const double std : config.std) {
      if (static_cast<float>(std) == 0.0F) {
        throw strata::config_error({}, "Normalize divides by std, which has a zero");
      }
    }
    mean_.assign(config.mean.begin(), config.mean.end());
    std_.assign(config.std.begin(), config.std.end());
  }

  void apply(const strata::Sample& sample) const override {
    const strata_array image = get(sample, "Normalize", STRATA_F32);
    const auto given = static_cast<int64_t>(mean_.size());
    if (given != 1 && given != image.shape[0]) {
      throw strata::run_error("Normalize has ",
                              given,
                              " means for an image of ",
                              image.shape[0],
                              " channels; give one, or one each");
    }
    const int64_t pixels = image.shape[1] * image.shape[2];
    auto* values = static_cast<float*>(image.data);
    for (int64_t c = 0; c < image.shape[0]; ++c, values += pixels) {
      const float mean = mean_[static_cast<size_t>(c % given)];
      const float std = std_[static_cast<size_t>(c % given)];
      for (int64_t i = 0; i < pixels; ++i) {
        values[i] = (values[i] - mean) / std;
      }
    }
  }

 private:
  std::vector<float> mean_;
  std::vector<float> std_;
};

}  // namespace image
