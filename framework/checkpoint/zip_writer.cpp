// Headers before, between and after the members.
#include "checkpoint/zip_writer.hpp"

#include <algorithm>
#include <utility>
#include <zlib.h>

namespace strata::checkpoint {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kLocalHeader = 30;
constexpr uint32_t kElsewhere = 0xffffffff;  // the number stands in 64 bits elsewhere
constexpr uint16_t kFlags = 0x0808;          // the CRC comes after the data; names are UTF-8
constexpr uint16_t kPadding = 'F' | 'B' << 8;
constexpr uint64_t kExtraHead = 4;
constexpr uint64_t kSizes64 = 16;

// Numbers, the lowest byte first.
class Record {
 public:
  template <class T>
  Record& add(T number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number));
    return *this;
  }

  Record& add_text(std::string_view text) {
    bytes_.append(text);
    return *this;
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

bool is_large(uint64_t number) {
  return number >= kElsewhere;
}

uint32_t low(uint64_t number) {
  return is_large(number) ? kElsewhere : static_cast<uint32_t>(number);
}

uint64_t padding(const ZipMember& member, uint64_t at) {
  const uint64_t fixed = kLocalHeader + member.name.size() + kExtraHead +
                         (is_large(member.bytes) ? kExtraHead + kSizes64 : 0);
  return (kAlignment - (at + fixed) % kAlignment) % kAlignment;
}

std::string local_header(const ZipMember& member, uint64_t at) {
  Record extra;
  if (is_large(member.bytes)) {
    extra.add(uint16_t{1}).add(uint16_t{kSizes64}).add(member.bytes).add(member.bytes);
  }
  const uint64_t pad = padding(member, at);
  extra.add(kPadding).add(static_cast<uint16_t>(pad)).add_text(std::string(pad, 'Z'));
  Record out;
  out.add(uint32_t{0x04034b50}).add(uint16_t{45}).add(kFlags).add(uint16_t{0}).add(uint32_t{0});
  const uint32_t size = is_large(member.bytes) ? kElsewhere : 0;
  out.add(uint32_t{0}).add(size).add(size);
  out.add(static_cast<uint16_t>(member.name.size()));
  out.add(static_cast<uint16_t>(extra.bytes().size()));
  return out.add_text(member.name).add_text(extra.bytes()).bytes();
}

std::string descriptor(uint64_t bytes, uint32_t crc) {
  Record out;
  out.add(uint32_t{0x08074b50}).add(crc);
  if (is_large(bytes)) {
    return out.add(bytes).add(bytes).bytes();
  }
  return out.add(low(bytes)).add(low(bytes)).bytes();
}

std::string directory_entry(const ZipMember& member, uint64_t begin, uint32_t crc) {
  Record numbers;
  if (is_large(member.bytes)) {
    numbers.add(member.bytes).add(member.bytes);
  }
  if (is_large(begin)) {
    numbers.add(begin);
  }
  Record extra;
  if (!numbers.bytes().empty()) {
    extra.add(uint16_t{1}).add(static_cast<uint16_t>(numbers.bytes().size()));
    extra.add_text(numbers.bytes());
  }
  Record out;
  out.add(uint32_t{0x02014b50}).add(uint16_t{45}).add(uint16_t{45}).add(kFlags).add(uint16_t{0});
  out.add(uint32_t{0}).add(crc).add(low(member.bytes)).add(low(member.bytes));
  out.add(static_cast<uint16_t>(member.name.size()));
  out.add(static_cast<uint16_t>(extra.bytes().size()));
  out.add(uint16_t{0}).add(uint16_t{0}).add(uint16_t{0}).add(uint32_t{0}).add(low(begin));
  return out.add_text(member.name).add_text(extra.bytes()).bytes();
}

// The 64-bit end record, its locator and the plain one.
std::string end_records(uint64_t entries, uint64_t begin, uint64_t end) {
  constexpr uint64_t kRest = 44;  // of the record after its own length
  constexpr uint64_t kMany = 0xffff;
  Record out;
  out.add(uint32_t{0x06064b50}).add(kRest).add(uint16_t{45}).add(uint16_t{45});
  out.add(uint32_t{0}).add(uint32_t{0}).add(entries).add(entries).add(end - begin).add(begin);
  out.add(uint32_t{0x07064b50}).add(uint32_t{0}).add(end).add(uint32_t{1});
  const auto few = static_cast<uint16_t>(std::min(entries, kMany));
  out.add(uint32_t{0x06054b50}).add(uint16_t{0}).add(uint16_t{0}).add(few).add(few);
  return out.add(low(end - begin)).add(low(begin)).add(uint16_t{0}).bytes();
}

}  // namespace

uint64_t zip_bytes(std::span<const ZipMember> members) {
  uint64_t at = 0;
  uint64_t directory = 0;
  for (const ZipMember& member : members) {
    directory += directory_entry(member, at, 0).size();
    at += local_header(member, at).size() + member.bytes + descriptor(member.bytes, 0).size();
  }
  return at + directory + end_records(members.size(), at, at + directory).size();
}

void ZipOut::put(std::string_view bytes) {
  put_(std::as_bytes(std::span(bytes)));
  written_ += bytes.size();
}

void ZipOut::begin(ZipMember member) {
  const uint64_t at = written_;
  put(local_header(member, at));
  entries_.push_back({std::move(member), at, 0});
}

void ZipOut::write(std::span<const std::byte> bytes) {
  uint32_t& crc = entries_.back().crc;
  crc = static_cast<uint32_t>(
      ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  put_(bytes);
  written_ += bytes.size();
}

void ZipOut::end() {
  put(descriptor(entries_.back().member.bytes, entries_.back().crc));
}

void ZipOut::finish() {
  const uint64_t begin = written_;
  for (const Entry& entry : entries_) {
    put(directory_entry(entry.member, entry.begin, entry.crc));
  }
  put(end_records(entries_.size(), begin, written_));
}

}  // namespace strata::checkpoint
