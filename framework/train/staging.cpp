// Pages of the system, made many at once: one fault for each costs more than the copy. (Large pages were slower where it was
// measured: the system looks for them first.)
#include "train/staging.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "strata/cpp/error.hpp"

namespace strata::train {
namespace {

constexpr int64_t kPart = int64_t{4} << 20;  // at a time, a multiple of any page
constexpr int64_t kAll = INT64_MAX;
constexpr int64_t kNever = -1;
constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, since Linux 5.14

}  // namespace

Staging::~Staging() {
  give_back();
}

void Staging::give_back() {
  toucher_ = {};  // ends it
  if (data_ != nullptr) {
    ::munmap(std::exchange(data_, nullptr), static_cast<size_t>(size_));
  }
  size_ = 0;
}

void Staging::begin(int64_t bytes) {
  used_ = 0;
  there_ = 0;
  if (bytes <= size_) {
    return;
  }
  give_back();
  void* const data = ::mmap(nullptr,
                            static_cast<size_t>(bytes),
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS,
                            -1,
                            0);
  if (data == MAP_FAILED) {
    throw run_error(
        "no memory for a copy of ", bytes, " bytes, from which a checkpoint is written");
  }
  data_ = static_cast<std::byte*>(data);
  size_ = bytes;
  toucher_ = std::jthread([this](const std::stop_token& stop) { touch(stop); });
}

std::byte* Staging::take(int64_t bytes) {
  std::byte* const out = data_ + used_;
  used_ += padded(bytes);
  if (used_ > size_) {
    throw run_error("a checkpoint's copy has more than the ", size_, " bytes planned for it");
  }
  return out;
}

void Staging::copy(std::byte* to, const void* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += kPart) {
    const int64_t n = std::min(kPart, bytes - at);
    std::memcpy(to + at, static_cast<const std::byte*>(from) + at, static_cast<size_t>(n));
    there_ = to + at + n - data_;
    there_.notify_one();
  }
}

// What it has not reached yet, or a system older than Linux 5.14, makes page by page as they are written.
void Staging::touch(const std::stop_token& stop) const {
  for (int64_t at = 0; at < size_ && !stop.stop_requested(); at += kPart) {
    ::madvise(data_ + at, static_cast<size_t>(std::min(kPart, size_ - at)), kPopulateWrite);
  }
}

void Staging::end(bool complete) {
  there_ = complete ? kAll : kNever;
  there_.notify_one();
}

void Staging::wait_for(const std::byte* end) const {
  const int64_t wanted = end == nullptr ? kAll : end - data_;
  int64_t there = there_;
  while (there != kNever && there < wanted) {
    there_.wait(there);
    there = there_;
  }
  if (there == kNever) {
    throw run_error("the copy from which a checkpoint is written came to no end");
  }
}

}  // namespace strata::train
