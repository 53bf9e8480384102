// One file in CIFAR-10's binary layout: records of a label byte and three planes of 32 x 32 bytes
// (R, G, B).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "strata/kit/mapped_file.hpp"

namespace cifar {

inline constexpr int64_t kSide = 32;  // pixels
inline constexpr int64_t kChannels = 3;
inline constexpr int64_t kPlaneBytes = kSide * kSide;
inline constexpr int64_t kRecordBytes = 1 + kChannels * kPlaneBytes;
inline constexpr int64_t kClasses = 10;

/// A file mapped for reading. Move-only.
class ImageFile {
 public:
  /// Errors: STRATA_E_CONFIG when it cannot be read or its size is no positive multiple of
  /// kRecordBytes.
  explicit ImageFile(std::filesystem::path path);

  [[nodiscard]] int64_t records() const {
    return static_cast<int64_t>(file_.bytes().size()) / kRecordBytes;
  }

  /// Errors: STRATA_E_FAILED naming file and record when it is not below kClasses.
  [[nodiscard]] int64_t label(int64_t record) const;

  /// Writes the record's image to out, kSide x kSide x kChannels bytes: rows, columns, channels.
  void image(int64_t record, uint8_t* out) const;

 private:
  [[nodiscard]] const uint8_t* at(int64_t record) const;

  strata::kit::MappedFile file_;
};

}  // namespace cifar
