// The only file that knows xxHash.
#include "checkpoint/hash.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include STRATA_XXHASH

namespace strata::checkpoint {

struct Hash::State {
  XXH3_state_t xxh;
};

Hash::Hash() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->xxh);
}

Hash::~Hash() = default;

// The processor fetches ahead within a page only, xxHash a few lines: asked for this far ahead, memory keeps up.
void Hash::add(std::span<const std::byte> bytes) {
  constexpr size_t kAhead = 1024;
  constexpr size_t kLine = 64;
  for (size_t at = 0; at < bytes.size(); at += kAhead) {
    const auto piece = bytes.subspan(at, std::min(kAhead, bytes.size() - at));
    const size_t end = std::min(at + 2 * kAhead, bytes.size());
    for (size_t line = at + kAhead; line < end; line += kLine) {
      __builtin_prefetch(&bytes[line]);
    }
    XXH3_64bits_update(&state_->xxh, piece.data(), piece.size());
  }
}

uint64_t Hash::value() const {
  return XXH3_64bits_digest(&state_->xxh);
}

uint64_t hash_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t hash_of(std::string_view text) {
  return hash_of(std::as_bytes(std::span(text)));
}

std::string hash_text(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

// Nothing but what hash_text() gives: capitals would be another text with the same value.
std::optional<uint64_t> parse_hash(std::string_view text) {
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return hash_text(out) == text ? std::optional(out) : std::nullopt;
}

}  // namespace strata::checkpoint
