// How the transforms of this folder find the image of a sample.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "strata/cpp/data.hpp"

namespace image {

inline constexpr std::string_view kField = "img";

inline std::string shape_text(const strata_array& array) {
  std::string out = "[";
  for (int32_t i = 0; i < array.ndim; ++i) {
    out += (i == 0 ? "" : ", ") + std::to_string(array.shape[i]);
  }
  return out + "]";
}

/// The field `img` with three dimensions of the given dtype.
/// Errors: STRATA_E_FAILED saying what `transform` wants and what it found.
inline strata_array get(const strata::Sample& sample, const char* transform, int32_t dtype) {
  const strata_array array = sample.get(kField);
  if (array.dtype != dtype || array.ndim != 3) {
    const char* const wanted = dtype == STRATA_U8 ? "u8 [H, W, C], so put it before ToTensor"
                                                  : "f32 [C, H, W], so put it after ToTensor";
    throw strata::run_error(transform,
                            " works on ",
                            wanted,
                            "; img is of dtype ",
                            array.dtype,
                            " and shape ",
                            shape_text(array));
  }
  return array;
}

inline strata_array make(
    const strata::Sample& sample, int32_t dtype, int64_t a, int64_t b, int64_t c) {
  const int64_t shape[] = {a, b, c};
  return sample.make(kField, dtype, shape);
}

}  // namespace image
