// What fuzzers and the replay of their findings call: readers of files that nobody vouches for.
#pragma once

#include <cstddef>
#include <span>

namespace strata::fuzz {

/// Each reads `bytes` as a file would be read, and elements of what it finds. A refusal is right; any other exception, and
/// what a sanitizer sees, is a finding.
void read_safetensors(std::span<const std::byte> bytes);
void read_index(std::span<const std::byte> bytes);
void read_hf_index(std::span<const std::byte> bytes);
void read_pth(std::span<const std::byte> bytes);

}  // namespace strata::fuzz
