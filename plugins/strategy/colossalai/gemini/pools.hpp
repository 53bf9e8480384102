// Two memories, a device's and the host's, and what lies in which.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "strata/cpp/memory.hpp"

namespace strata::colossalai {

enum class Pool : uint8_t { kDevice = 0, kHost = 1 };

/// One rank's account. On a machine without a device both pools lie in one memory; what moves between them is copied
/// and counted all the same.
class STRATA_HIDDEN Pools {
 public:
  void add(Pool pool, int64_t bytes) {
    Account& a = accounts_[static_cast<size_t>(pool)];
    a.now += bytes;
    a.peak = std::max(a.peak, a.now);
  }

  [[nodiscard]] int64_t now(Pool pool) const { return accounts_[static_cast<size_t>(pool)].now; }

  /// The most that was there since the start.
  [[nodiscard]] int64_t peak(Pool pool) const { return accounts_[static_cast<size_t>(pool)].peak; }

  void count_move(int64_t bytes) { moved_ += bytes; }

  /// Bytes copied from one pool to the other since the start.
  [[nodiscard]] int64_t moved() const { return moved_; }

 private:
  struct Account {
    int64_t now = 0;
    int64_t peak = 0;
  };

  std::array<Account, 2> accounts_;
  int64_t moved_ = 0;
};

/// A buffer that counts in a pool while it has memory. Made without.
class STRATA_HIDDEN PooledBuffer {
 public:
  PooledBuffer() = default;

  /// flags: STRATA_BUFFER_* beside EVICTED.
  PooledBuffer(strata_runtime* rt,
               int64_t bytes,
               std::string_view tag,
               Pool pool,
               Pools& pools,
               uint32_t flags = 0)
      : buffer_(rt, bytes, flags | STRATA_BUFFER_EVICTED, tag), pool_(pool), pools_(&pools) {}

  explicit operator bool() const { return static_cast<bool>(buffer_); }

  [[nodiscard]] bool resident() const { return buffer_ && buffer_.resident(); }

  void make_resident() {
    if (!buffer_.resident()) {
      buffer_.make_resident();
      pools_->add(pool_, buffer_.bytes());
    }
  }

  void evict() {
    if (resident()) {
      buffer_.evict();
      pools_->add(pool_, -buffer_.bytes());
    }
  }

  [[nodiscard]] std::byte* data() const { return buffer_.data(); }

  [[nodiscard]] const Buffer& buffer() const { return buffer_; }

  [[nodiscard]] Pool pool() const { return pool_; }

  /// From now on it counts there, with what it holds.
  void count_in(Pool pool) {
    if (resident() && pool != pool_) {
      pools_->add(pool_, -buffer_.bytes());
      pools_->add(pool, buffer_.bytes());
      pools_->count_move(buffer_.bytes());
    }
    pool_ = pool;
  }

 private:
  Buffer buffer_;
  Pool pool_ = Pool::kDevice;
  Pools* pools_ = nullptr;
};

}  // namespace strata::colossalai
