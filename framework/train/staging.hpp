// Memory that values are copied to, so that training goes on while they are written.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::train {

/// Memory for a copy of some bytes; given back when this ends. Move-only.
class Staging {
 public:
  Staging() = default;
  /// Errors: STRATA_E_FAILED with the bytes when the system has not as many.
  explicit Staging(int64_t bytes);
  Staging(Staging&& other) noexcept;
  Staging& operator=(Staging&& other) noexcept;
  ~Staging();

  /// The next `bytes` of it, 64-byte aligned.
  std::byte* take(int64_t bytes);

  /// What take() uses up for so many bytes.
  static int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
  int64_t used_ = 0;
};

}  // namespace strata::train
