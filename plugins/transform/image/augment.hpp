// RandomCrop and RandomHorizontalFlip on u8 [H, W, C], as torchvision's.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "image.hpp"

namespace image {

/// An integer or a list of integers, as torchvision takes for size, padding and fill. Empty node:
/// empty list. Errors: STRATA_E_CONFIG at the value when it is less than `least`, or the list has
/// another length than `lengths`.
inline std::vector<int64_t> int_or_list(const strata::Node& node,
                                        const char* key,
                                        int64_t least,
                                        const std::vector<uint64_t>& lengths) {
  std::vector<int64_t> out;
  if (!node) {
    return out;
  }
  if (!node.is_list()) {
    out.push_back(node.as_int());
  }
  for (uint64_t i = 0; node.is_list() && i < node.size(); ++i) {
    out.push_back(node.entry(i).second.as_int());
  }
  node.mark_read();
  if (std::ranges::find(lengths, out.size()) == lengths.end()) {
    throw strata::config_error(node.where(),
                               key,
                               " has ",
                               out.size(),
                               " numbers; it takes one, or a list of ",
                               lengths.back());
  }
  for (const int64_t value : out) {
    if (value < least) {
      throw strata::config_error(
          node.where(), key, " has ", value, "; the least possible is ", least);
    }
  }
  return out;
}

struct CropConfig {
  strata::Node size;
  strata::Node padding;
  strata::Node fill;
};

class RandomCrop final : public strata::Transform {
 public:
  explicit RandomCrop(const CropConfig& config) {
    const std::vector<int64_t> size = int_or_list(config.size, "size", 1, {1, 2});
    height_ = size.front();
    width_ = size.back();
    read_padding(int_or_list(config.padding, "padding", 0, {1, 2, 4}));
    for (const int64_t value : int_or_list(config.fill, "fill", 0, {1, 3})) {
      if (value > 255) {
        throw strata::config_error(
            config.fill.where(), "fill has ", value, "; a pixel is 0 to 255");
      }
      fill_.push_back(static_cast<uint8_t>(value));
    }
  }

  void apply(const strata::Sample& sample) const override {
    const strata_array in = get(sample, "RandomCrop", STRATA_U8);
    const int64_t spare_rows = in.shape[0] + top_ + bottom_ - height_;
    const int64_t spare_columns = in.shape[1] + left_ + right_ - width_;
    check(in, spare_rows, spare_columns);
    // torchvision draws nothing when there is no choice, and rows before columns.
    int64_t row = -top_;
    int64_t column = -left_;
    if (spare_rows > 0 || spare_columns > 0) {
      row += static_cast<int64_t>(sample.random_below(static_cast<uint64_t>(spare_rows) + 1));
      column += static_cast<int64_t>(sample.random_below(static_cast<uint64_t>(spare_columns) + 1));
    }
    copy(in, make(sample, STRATA_U8, height_, width_, in.shape[2]), row, column);
  }

 private:
  void read_padding(const std::vector<int64_t>& padding) {
    if (padding.empty()) {
      return;
    }
    const size_t n =
        padding.size();  // [all], [left and right, top and bottom], [left, top, right, bottom]
    left_ = padding[0];
    top_ = padding[1 % n];
    right_ = padding[2 % n];
    bottom_ = padding[3 % n];
  }

  void check(const strata_array& in, int64_t spare_rows, int64_t spare_columns) const {
    if (spare_rows < 0 || spare_columns < 0) {
      throw strata::run_error("RandomCrop of ",
                              height_,
                              " x ",
                              width_,
                              " does not fit into an image of ",
                              in.shape[0],
                              " x ",
                              in.shape[1],
                              " with its padding; give a smaller size or more "
                              "padding");
    }
    if (fill_.size() > 1 && static_cast<int64_t>(fill_.size()) != in.shape[2]) {
      throw strata::run_error("RandomCrop has ",
                              fill_.size(),
                              " fill values for an image of ",
                              in.shape[2],
                              " channels; give one, or one each");
    }
  }

  /// The window of `in` whose corner is at (row, column), which may lie outside.
  void copy(const strata_array& in, const strata_array& out, int64_t row, int64_t column) const {
    const int64_t channels = in.shape[2];
    const auto* const from = static_cast<const uint8_t*>(in.data);
    auto* const to = static_cast<uint8_t*>(out.data);
    const int64_t first =
        std::clamp<int64_t>(-column, 0, width_);  // columns of the window inside the image
    const int64_t last = std::clamp<int64_t>(in.shape[1] - column, first, width_);
    for (int64_t y = 0; y < height_; ++y) {
      uint8_t* const line = to + y * width_ * channels;
      const int64_t source = row + y;
      if (source < 0 || source >= in.shape[0]) {
        fill(line, width_, channels);
        continue;
      }
      fill(line, first, channels);
      if (last > first) {
        std::memcpy(line + first * channels,
                    from + (source * in.shape[1] + column + first) * channels,
                    static_cast<size_t>((last - first) * channels));
      }
      fill(line + last * channels, width_ - last, channels);
    }
  }

  void fill(uint8_t* to, int64_t pixels, int64_t channels) const {
    if (fill_.size() <= 1) {
      std::memset(to, fill_.empty() ? 0 : fill_[0], static_cast<size_t>(pixels * channels));
      return;
    }
    for (int64_t i = 0; i < pixels * channels; ++i) {
      to[i] = fill_[static_cast<size_t>(i % channels)];
    }
  }

  int64_t height_ = 0;
  int64_t width_ = 0;
  int64_t left_ = 0;
  int64_t top_ = 0;
  int64_t right_ = 0;
  int64_t bottom_ = 0;
  std::vector<uint8_t> fill_;  // empty: 0; one; or one a channel
};

struct FlipConfig {
  double p = 0.5;
};

class RandomHorizontalFlip final : public strata::Transform {
 public:
  explicit RandomHorizontalFlip(const FlipConfig& config) : p_(config.p) {}

  void apply(const strata::Sample& sample) const override {
    const strata_array image = get(sample, "RandomHorizontalFlip", STRATA_U8);
    if (sample.random_unit() >= p_) {
      return;
    }
    const int64_t width = image.shape[1];
    const int64_t channels = image.shape[2];
    auto* line = static_cast<uint8_t*>(image.data);
    for (int64_t y = 0; y < image.shape[0]; ++y, line += width * channels) {
      for (int64_t left = 0, right = width - 1; left < right; ++left, --right) {
        for (int64_t c = 0; c < channels; ++c) {
          std::swap(line[left * channels + c], line[right * channels + c]);
        }
      }
    }
  }

 private:
  double p_;
};

}  // namespace image
