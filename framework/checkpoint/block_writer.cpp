// Blocks that go round between two threads.
#include "checkpoint/block_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

namespace strata::checkpoint {
namespace {

constexpr size_t kAligned = 4096;  // what a disk may ask of memory, places and lengths
constexpr size_t kBlocks = 3;      // one is filled, one written, one in between

bool set_direct(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

}  // namespace

BlockWriter::BlockWriter(int fd, size_t block)
    : fd_(fd), size_(block), memory_(kBlocks * block + kAligned) {
  size_t room = memory_.size();
  void* begin = memory_.data();
  std::align(kAligned, kBlocks * size_, begin, room);
  auto* const blocks = static_cast<std::byte*>(begin);
  current_ = {blocks, 0};
  for (size_t i = 1; i < kBlocks; ++i) {
    free_.push_back(blocks + i * size_);
  }
  direct_ = set_direct(fd_, true);
  thread_ = std::thread([this] { run(); });
}

BlockWriter::~BlockWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

int BlockWriter::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const size_t n = std::min(data.size(), size_ - current_.used);
    std::memcpy(current_.data + current_.used, data.data(), n);
    current_.used += n;
    data = data.subspan(n);
    if (const int error = current_.used == size_ ? pass_on() : 0; error != 0) {
      return error;
    }
  }
  return 0;
}

int BlockWriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(current_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  return error_;
}

// Hands the full block over and waits for an empty one.
int BlockWriter::pass_on() {
  std::unique_lock lock(mutex_);
  waiting_.push_back(current_);
  changed_.notify_all();
  changed_.wait(lock, [this] { return !free_.empty() || error_ != 0; });
  if (error_ == 0) {
    current_ = {free_.back(), 0};
    free_.pop_back();
  }
  return error_;
}

void BlockWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !waiting_.empty() || ending_; });
    if (waiting_.empty() || error_ != 0) {
      return;
    }
    const Block block = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    const int error = put(block);
    lock.lock();
    error_ = error;
    free_.push_back(block.data);
    changed_.notify_all();
  }
}

void BlockWriter::leave_direct() {
  set_direct(fd_, false);
  direct_ = false;
}

// The last block has any length, which goes through the cache. Returns errno.
int BlockWriter::put(const Block& block) {
  std::span<const std::byte> rest(block.data, block.used);
  while (!rest.empty()) {
    if (direct_ && rest.size() % kAligned != 0) {
      leave_direct();
    }
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINVAL && direct_) {
      leave_direct();  // a file system that only says it can
      continue;
    }
    if (n < 0 && errno != EINTR) {
      return errno;
    }
    const auto done = static_cast<size_t>(std::max<ssize_t>(n, 0));
    if (!direct_ && done > 0) {
      ::sync_file_range(fd_, static_cast<off_t>(written_), n, SYNC_FILE_RANGE_WRITE);
    }
    written_ += done;
    rest = rest.subspan(done);
  }
  return 0;
}

}  // namespace strata::checkpoint
