// The seal is the end of the text: `,\n "checksum": "<16 digits>"\n}\n`.
#include "checkpoint/sealed.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"
#include "checkpoint/hash.hpp"

namespace strata::checkpoint {
namespace {

constexpr std::string_view kBefore = ",\n \"checksum\": \"";
constexpr std::string_view kAfter = "\"\n}\n";
constexpr size_t kDigits = 16;

}  // namespace

std::string seal(std::string json) {
  json.erase(json.find_last_of('}'));
  json.erase(json.find_last_not_of(" \n\t") + 1);
  const uint64_t hash = hash_of(json);
  return json.append(kBefore).append(hash_text(hash)).append(kAfter);
}

void check_seal(std::string_view content, const std::string& file) {
  const size_t end = kBefore.size() + kDigits + kAfter.size();
  if (content.size() < end || !content.ends_with(kAfter) ||
      content.substr(content.size() - end, kBefore.size()) != kBefore) {
    throw Error(STRATA_E_FAILED,
                text(file, " does not end with its checksum: it is cut short or was edited"));
  }
  const std::string_view body = content.substr(0, content.size() - end);
  const auto digits = content.substr(content.size() - kAfter.size() - kDigits, kDigits);
  if (parse_hash(digits) != hash_of(body)) {
    throw Error(STRATA_E_FAILED,
                text(file, " is damaged: its content does not have its checksum ", digits));
  }
}

std::string read_sealed(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw_errno("cannot read", file, errno);
  }
  std::string content(std::istreambuf_iterator<char>(in), {});
  check_seal(content, file.string());
  return content;
}

}  // namespace strata::checkpoint
