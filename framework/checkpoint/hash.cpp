// The only file that knows xxHash.
#include "checkpoint/hash.hpp"

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

void Hash::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->xxh, bytes.data(), bytes.size());
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
