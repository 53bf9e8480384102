// Reads what journal_writer.cpp writes.
#include "journal.hpp"

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>

namespace strata::test {
namespace {

constexpr std::array<const char*, 14> kNames = {"open",
                                                "create",
                                                "truncate",
                                                "write",
                                                "reserve",
                                                "sync",
                                                "close",
                                                "rename",
                                                "exchange",
                                                "link",
                                                "unlink",
                                                "make folder",
                                                "remove folder",
                                                "mark"};

}  // namespace

std::string describe(const std::vector<Record>& journal, size_t number) {
  const Record& r = journal.at(number);
  std::string out = std::to_string(number) + " " + kNames.at(static_cast<size_t>(r.op));
  const bool by_handle = r.path.empty() && r.handle >= 0;
  out += " " + (by_handle ? journal.at(static_cast<size_t>(r.handle)).path : r.path);
  if (!r.path2.empty()) {
    out += " -> " + r.path2;
  }
  if (r.op == FileOp::kMark) {
    out += r.data;
  }
  return out + (r.error == 0 ? "" : std::string(": ") + std::strerror(r.error));
}

std::vector<Record> read_journal(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<Record> out;
  size_t at = sizeof(int64_t);  // the count
  const auto take = [&](size_t count) {
    at += count;
    return bytes.substr(at - count, count);
  };
  while (at + sizeof(RecordHead) <= bytes.size()) {
    RecordHead head{};
    std::memcpy(&head, bytes.data() + at, sizeof(head));
    at += sizeof(head);
    if (at + head.path_bytes + head.path2_bytes + head.data_bytes > bytes.size()) {
      break;
    }
    Record record{head.op, head.error, head.handle, head.offset, {}, {}, {}};
    record.path = take(head.path_bytes);
    record.path2 = take(head.path2_bytes);
    record.data = take(head.data_bytes);
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace strata::test
