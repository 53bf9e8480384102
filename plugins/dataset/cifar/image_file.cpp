// Mapping and checking of image files.
#include "image_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#include "strata/cpp/error.hpp"

namespace cifar {
namespace {

/// Closes a file descriptor when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

strata::Error cannot(const char* what, const std::filesystem::path& path) {
  const std::string cause = std::strerror(errno);
  return strata::config_error({}, "cannot ", what, " ", path, ": ", cause);
}

int64_t checked_size(int fd, const std::filesystem::path& path) {
  struct stat facts {};

  if (::fstat(fd, &facts) != 0) {
    throw cannot("read the size of", path);
  }
  const int64_t bytes = facts.st_size;
  if (bytes == 0 || bytes % kRecordBytes != 0) {
    throw strata::config_error(
        {},
        path,
        " has ",
        bytes,
        " bytes, which is no positive multiple of ",
        kRecordBytes,
        " (a label and 3 planes of 32 x 32): it is truncated or no file of this layout; "
        "fetch it again");
  }
  return bytes;
}

}  // namespace

ImageFile::ImageFile(std::filesystem::path path) : path_(std::move(path)) {
  const Descriptor file(path_);
  if (file.get() < 0) {
    throw cannot("open", path_);
  }
  const int64_t bytes = checked_size(file.get(), path_);
  void* const data =
      ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) {
    throw cannot("map", path_);
  }
  data_ = static_cast<const uint8_t*>(data);
  records_ = bytes / kRecordBytes;
}

ImageFile::ImageFile(ImageFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      records_(other.records_) {}

ImageFile::~ImageFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<uint8_t*>(data_), static_cast<size_t>(records_ * kRecordBytes));
  }
}

const uint8_t* ImageFile::at(int64_t record) const {
  return data_ + record * kRecordBytes;
}

int64_t ImageFile::label(int64_t record) const {
  const int64_t label = *at(record);
  if (label >= kClasses) {
    throw strata::run_error("record ",
                            record,
                            " of ",
                            path_,
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
