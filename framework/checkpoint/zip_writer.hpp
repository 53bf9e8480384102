// Zip archives of stored files, written as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.hpp"

namespace strata::checkpoint {

/// A file in an archive.
struct ZipMember {
  std::string name;
  uint64_t bytes = 0;
};

/// Bytes of the archive that ZipOut makes of these.
uint64_t zip_bytes(std::span<const ZipMember> members);

/// Makes an archive from front to back: each member's bytes begin at a multiple of 64, its CRC-32 follows them. Zip64
/// where sizes or places need it.
///
/// Source   APPNOTE.TXT 6.3.10; the padding is in an extra field "FB", as torch's own.
class ZipOut {
 public:
  /// put: takes the archive's bytes.
  explicit ZipOut(Put put) : put_(std::move(put)) {}

  void begin(ZipMember member);
  /// Bytes of the member begun last; so many as it said, in all.
  void write(std::span<const std::byte> bytes);
  void end();
  /// After the last member.
  void finish();

 private:
  struct Entry {
    ZipMember member;
    uint64_t begin = 0;
    uint32_t crc = 0;
  };

  void put(std::string_view bytes);

  Put put_;
  uint64_t written_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace strata::checkpoint
