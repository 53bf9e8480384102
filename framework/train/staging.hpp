// Memory that values are copied to, so that training goes on while they are written.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <thread>

namespace strata::train {

/// One thread lays memory out and copies values into it, in one order; another takes what is there already. What was
/// made stays for the next checkpoint: memory that is touched for the first time costs more than the copy, so a thread
/// goes ahead and does that.
class Staging {
 public:
  Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  /// Empty, and room for `bytes`. Not while another thread waits.
  /// Errors: STRATA_E_FAILED with the bytes when the system has not as many.
  void begin(int64_t bytes);

  /// The next `bytes` of it, 64-byte aligned.
  std::byte* take(int64_t bytes);

  /// What take() uses up for so many bytes.
  static int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

  /// Copies to what take() gave. All before it counts as there from now on.
  void copy(std::byte* to, const void* from, int64_t bytes);

  /// Everything is there, or never will be.
  void end(bool complete);

  /// [any] Returns when all before `end` is there; nullptr: when end() was called. Errors: STRATA_E_FAILED when it never will.
  void wait_for(const std::byte* end) const;

 private:
  void give_back();
  void touch(const std::stop_token& stop) const;

  std::byte* data_ = nullptr;
  int64_t size_ = 0;
  int64_t used_ = 0;
  std::atomic<int64_t> there_{0};
  std::jthread toucher_;  // of memory that is new
};

}  // namespace strata::train
