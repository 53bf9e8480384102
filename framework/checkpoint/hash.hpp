// Checksums of what is stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strata::checkpoint {

/// XXH3, 64 bits, of bytes that come piece by piece.
class Hash {
 public:
  Hash();
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;
  ~Hash();

  void add(std::span<const std::byte> bytes);
  [[nodiscard]] uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint64_t hash_of(std::span<const std::byte> bytes);
uint64_t hash_of(std::string_view text);

/// 16 hexadecimal digits.
std::string hash_text(uint64_t hash);
std::optional<uint64_t> parse_hash(std::string_view text);

}  // namespace strata::checkpoint
