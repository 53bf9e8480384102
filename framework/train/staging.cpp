// Pages of the system, made all at once: one fault for each costs more than the copy. (Large pages were slower where it was
// measured: the system looks for them first.)
#include "train/staging.hpp"

#include <utility>

#include <sys/mman.h>

#include "strata/cpp/error.hpp"

namespace strata::train {

Staging::Staging(int64_t bytes) : size_(bytes) {
  if (bytes == 0) {
    return;
  }
  void* const data = ::mmap(nullptr,
                            static_cast<size_t>(bytes),
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                            -1,
                            0);
  if (data == MAP_FAILED) {
    throw run_error(
        "no memory for a copy of ", bytes, " bytes, from which a checkpoint is written");
  }
  data_ = static_cast<std::byte*>(data);
}

Staging::Staging(Staging&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      used_(std::exchange(other.used_, 0)) {}

Staging& Staging::operator=(Staging&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(used_, other.used_);
  return *this;
}

Staging::~Staging() {
  if (data_ != nullptr) {
    ::munmap(data_, static_cast<size_t>(size_));
  }
}

std::byte* Staging::take(int64_t bytes) {
  std::byte* const out = data_ + used_;
  used_ += padded(bytes);
  if (used_ > size_) {
    throw run_error("a checkpoint's copy has more than the ", size_, " bytes planned for it");
  }
  return out;
}

}  // namespace strata::train
