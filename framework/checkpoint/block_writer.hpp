// Large files on their way to the disk, while the next bytes are made.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace strata::checkpoint {

/// Writes what it is given block by block, on a thread of its own. Past the page cache (O_DIRECT) where the file system
/// can: at the disk's speed whatever else is in memory, and nothing else is driven out of it. Elsewhere through the cache,
/// whose pages are sent on their way at once. Memory: three blocks.
class BlockWriter {
 public:
  /// fd: open for writing, at its begin; borrowed. block: bytes, a multiple of 4096.
  BlockWriter(int fd, size_t block);
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;
  ~BlockWriter();

  /// Takes a copy. Returns the errno of a write that failed, now or before; 0.
  [[nodiscard]] int write(std::span<const std::byte> data);

  /// Waits until all is written; to be synced by the caller. Returns as write().
  [[nodiscard]] int finish();

 private:
  struct Block {
    std::byte* data;
    size_t used;
  };

  int pass_on();
  void run();
  int put(const Block& block);
  void leave_direct();

  int fd_;
  size_t size_;
  std::vector<std::byte> memory_;
  Block current_{};
  bool direct_ = false;
  uint64_t written_ = 0;
  std::thread thread_;
  std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  std::vector<std::byte*> free_;
  std::deque<Block> waiting_;
  bool ending_ = false;
  int error_ = 0;
};

}  // namespace strata::checkpoint
