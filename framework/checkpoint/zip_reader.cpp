// From the end of an archive to its directory, from there to the files.
#include "checkpoint/zip_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "strata/cpp/error.hpp"

#include "checkpoint/byte_cursor.hpp"

namespace strata::checkpoint {
namespace {

constexpr uint32_t kLocal = 0x04034b50;
constexpr uint32_t kEntry = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kLocator64 = 0x07064b50;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLocatorBytes = 20;
constexpr uint32_t kIn64 = 0xffffffff;  // the number stands in a field of 64 bits

using Bytes = std::span<const std::byte>;

struct Directory {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t begin = 0;
};

struct Entry {
  std::string_view name;
  uint64_t bytes = 0;
  uint64_t begin = 0;  // of its local header
  bool stored = false;
};

uint32_t word_at(Bytes archive, uint64_t at) {
  uint32_t out = 0;
  std::memcpy(&out, archive.data() + at, sizeof(out));
  return out;
}

// The end record is followed by a comment of up to 64 KiB.
uint64_t find_end(Bytes archive, const Refuse& refuse) {
  constexpr uint64_t kMaxComment = 0xffff;
  if (archive.size() >= kEndBytes) {
    const uint64_t last = archive.size() - kEndBytes;
    const uint64_t first = last - std::min(last, kMaxComment);
    for (uint64_t at = last + 1; at-- > first;) {
      if (word_at(archive, at) == kEnd) {
        return at;
      }
    }
  }
  refuse("it has no directory at its end; it may be cut short");
  return 0;
}

Directory read_end64(Bytes archive, uint64_t locator, const Refuse& refuse) {
  ByteCursor in(archive.subspan(locator + 8), refuse);
  const auto begin = in.number<uint64_t>();
  if (begin >= locator || word_at(archive, begin) != kEnd64) {
    refuse("its 64-bit end record is not where it says");
  }
  ByteCursor end(archive.subspan(begin + 24), refuse);
  Directory out;
  out.entries = end.number<uint64_t>();
  std::ignore = end.number<uint64_t>();  // the same for all disks
  out.bytes = end.number<uint64_t>();
  out.begin = end.number<uint64_t>();
  return out;
}

Directory read_end(Bytes archive, const Refuse& refuse) {
  const uint64_t end = find_end(archive, refuse);
  Directory out;
  if (end >= kLocatorBytes && word_at(archive, end - kLocatorBytes) == kLocator64) {
    out = read_end64(archive, end - kLocatorBytes, refuse);
  } else {
    ByteCursor in(archive.subspan(end + 8), refuse);
    out.entries = in.number<uint16_t>();
    std::ignore = in.number<uint16_t>();
    out.bytes = in.number<uint32_t>();
    out.begin = in.number<uint32_t>();
  }
  if (out.begin > end || out.bytes > end - out.begin) {
    refuse("its directory does not lie in it; it may be cut short");
  }
  return out;
}

// Of the three numbers those stand in the extra field that have no room in the entry.
void read_extra(Bytes extra, uint64_t unpacked, Entry& entry, const Refuse& refuse) {
  constexpr uint16_t kZip64 = 1;
  ByteCursor in(extra, refuse);
  while (in.left() >= 4) {
    const auto id = in.number<uint16_t>();
    ByteCursor field(in.take(in.number<uint16_t>()), refuse);
    if (id != kZip64) {
      continue;
    }
    unpacked = unpacked == kIn64 ? field.number<uint64_t>() : unpacked;
    entry.bytes = entry.bytes == kIn64 ? field.number<uint64_t>() : entry.bytes;
    entry.begin = entry.begin == kIn64 ? field.number<uint64_t>() : entry.begin;
  }
  if (entry.stored && unpacked != entry.bytes) {
    refuse(text("the sizes of ", entry.name, " contradict each other"));
  }
}

Entry read_entry(ByteCursor& in, const Refuse& refuse) {
  if (in.number<uint32_t>() != kEntry) {
    refuse("its directory is damaged");
  }
  in.take(4);  // versions
  const auto flags = in.number<uint16_t>();
  const auto method = in.number<uint16_t>();
  in.take(8);  // time, CRC
  Entry out;
  out.stored = (flags & 1U) == 0 && method == 0;
  out.bytes = in.number<uint32_t>();
  const uint64_t unpacked = in.number<uint32_t>();
  const auto name_bytes = in.number<uint16_t>();
  const auto extra_bytes = in.number<uint16_t>();
  const auto comment_bytes = in.number<uint16_t>();
  in.take(8);  // disk, attributes
  out.begin = in.number<uint32_t>();
  out.name = in.text(name_bytes);
  const Bytes extra = in.take(extra_bytes);
  in.take(comment_bytes);
  read_extra(extra, unpacked, out, refuse);
  return out;
}

// end: where the archive's directory begins.
Bytes data_of(Bytes archive, uint64_t end, const Entry& entry, const Refuse& refuse) {
  constexpr uint64_t kHeader = 30;
  if (entry.begin > end || end - entry.begin < kHeader || word_at(archive, entry.begin) != kLocal) {
    refuse(text(entry.name, " is not where the directory says"));
  }
  ByteCursor in(archive.subspan(entry.begin, end - entry.begin), refuse);
  in.take(26);
  const auto name_bytes = in.number<uint16_t>();
  const auto extra_bytes = in.number<uint16_t>();
  if (in.text(name_bytes) != entry.name) {
    refuse(text(entry.name, " has another name where the directory says that it lies"));
  }
  in.take(extra_bytes);
  if (entry.bytes > in.left()) {
    refuse(text(entry.name, " has ", entry.bytes, " bytes where ", in.left(), " are left"));
  }
  return in.take(entry.bytes);
}

}  // namespace

ZipFiles read_zip(Bytes archive, const Refuse& refuse) {
  const Directory directory = read_end(archive, refuse);
  ByteCursor in(archive.subspan(directory.begin, directory.bytes), refuse);
  ZipFiles out;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const Entry entry = read_entry(in, refuse);
    const ZipFile file{data_of(archive, directory.begin, entry, refuse), entry.stored};
    if (!out.emplace(entry.name, file).second) {
      refuse(text(entry.name, " is in it twice"));
    }
  }
  return out;
}

}  // namespace strata::checkpoint
