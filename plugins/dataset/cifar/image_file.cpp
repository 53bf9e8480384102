// Checking and reading of image files.
#include "image_file.hpp"

#include <utility>

#include "strata/cpp/error.hpp"

namespace cifar {

ImageFile::ImageFile(std::filesystem::path path) : file_(std::move(path)) {
  const size_t bytes = file_.bytes().size();
  if (bytes == 0 || bytes % kRecordBytes != 0) {
    throw strata::config_error(
        {},
        file_.path(),
        " has ",
        bytes,
        " bytes, which is no positive multiple of ",
        kRecordBytes,
        " (a label and 3 planes of 32 x 32): it is truncated or no file of this layout; "
        "fetch it again");
  }
}

const uint8_t* ImageFile::at(int64_t record) const {
  return reinterpret_cast<const uint8_t*>(file_.bytes().data()) + record * kRecordBytes;
}

int64_t ImageFile::label(int64_t record) const {
  const int64_t label = *at(record);
  if (label >= kClasses) {
    throw strata::run_error("record ",
                            record,
                            " of ",
                            file_.path(),
                            " has label ",
                            label,
                            "; labels are 0 to ",
                            kClasses - 1,
                            ": the file is damaged or of another data set");
  }
  return label;
}

void ImageFile::image(int64_t record, uint8_t* __restrict out) const {
  const uint8_t* const red = at(record) + 1;
  const uint8_t* const green = red + kPlaneBytes;
  const uint8_t* const blue = green + kPlaneBytes;
  for (int64_t pixel = 0; pixel < kPlaneBytes; ++pixel) {
    out[kChannels * pixel] = red[pixel];
    out[kChannels * pixel + 1] = green[pixel];
    out[kChannels * pixel + 2] = blue[pixel];
  }
}

}  // namespace cifar
