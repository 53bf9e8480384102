// Little-endian numbers and stretches of bytes, one after the other, never past the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "checkpoint/strict_json.hpp"

namespace strata::checkpoint {

/// Borrows the bytes and `refuse`, which is called where they end too early.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, const Refuse& refuse)
      : bytes_(bytes), refuse_(refuse) {}

  [[nodiscard]] uint64_t left() const { return bytes_.size() - at_; }

  std::span<const std::byte> take(uint64_t count) {
    if (count > left()) {
      refuse_(cut_short(count));
    }
    const auto out = bytes_.subspan(at_, count);
    at_ += count;
    return out;
  }

  template <class T>
  T number() {
    T out{};
    std::memcpy(&out, take(sizeof(T)).data(), sizeof(T));
    return out;
  }

  std::string_view text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  /// Up to the next newline, which is taken as well.
  std::string_view line();

 private:
  [[nodiscard]] std::string cut_short(uint64_t count) const;

  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
  const Refuse& refuse_;
};

}  // namespace strata::checkpoint
