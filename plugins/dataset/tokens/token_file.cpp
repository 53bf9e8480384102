// Detection and checks of token files.
#include "token_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "strata/cpp/error.hpp"

namespace tokens {
namespace {

// 256 int32: magic, version, number of tokens, zeros. Source: llm.c, dev/data/data_common.py.
constexpr int64_t kHeaderBytes = int64_t{256} * 4;

struct Header {
  int32_t magic;
  int32_t version;
  bool wide;
};

constexpr std::array<Header, 2> kHeaders = {{{20240520, 1, false}, {20240801, 7, true}}};

template <class T>
void widen(const std::byte* from, int64_t n, int64_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    T token = 0;
    std::memcpy(&token, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    out[i] = token;
  }
}

int64_t width_of(bool wide) {
  return wide ? 4 : 2;
}

}  // namespace

TokenFile::TokenFile(std::filesystem::path path, const std::string& dtype)
    : file_(std::move(path)) {
  if (file_.bytes().empty()) {
    throw strata::config_error({}, file_.path(), " is empty: a file of tokens has at least two");
  }
  int32_t magic = 0;
  std::memcpy(&magic, file_.bytes().data(), std::min(sizeof(magic), file_.bytes().size()));
  const bool headed =
      std::ranges::any_of(kHeaders, [&](const Header& h) { return h.magic == magic; });
  if (headed) {
    read_header(dtype);
  } else {
    measure_raw(dtype);
  }
}

void TokenFile::read_header(const std::string& dtype) {
  const auto size = static_cast<int64_t>(file_.bytes().size());
  if (size < kHeaderBytes) {
    throw strata::config_error(
        {}, file_.path(), " ends inside its header of ", kHeaderBytes, " bytes; fetch it again");
  }
  std::array<int32_t, 3> head{};
  std::memcpy(head.data(), file_.bytes().data(), sizeof(head));
  const auto* const known =
      std::ranges::find_if(kHeaders, [&](const Header& h) { return h.magic == head[0]; });
  if (known->version != head[1]) {
    throw strata::config_error({},
                               file_.path(),
                               " is of version ",
                               head[1],
                               " of the format with magic number ",
                               known->magic,
                               "; known is version ",
                               known->version);
  }
  wide_ = known->wide;
  if (!dtype.empty() && dtype != this->dtype()) {
    throw strata::config_error({},
                               "dtype = \"",
                               dtype,
                               "\", but the header of ",
                               file_.path(),
                               " says ",
                               this->dtype(),
                               "; leave the key out");
  }
  begin_ = kHeaderBytes;
  count_ = head[2];
  const int64_t expected = begin_ + count_ * width_of(wide_);
  if (size != expected) {
    throw strata::config_error({},
                               file_.path(),
                               " has ",
                               size,
                               " bytes; ",
                               expected,
                               " are right for the ",
                               count_,
                               " tokens of its header: it is truncated or damaged; fetch it again");
  }
}

// The upper halves of 32-bit tokens are tiny (vocabularies stay below 2^20), their lower halves are
// not. In a text of 16-bit tokens both look alike, unless it is too short to tell.
bool TokenFile::looks_wide() const {
  constexpr int64_t kLooked = 8192;  // bytes
  constexpr int64_t kEnough = 256;
  constexpr int64_t kTiny = 15;
  const auto size = static_cast<int64_t>(file_.bytes().size());
  if (size % 4 != 0 || size < kEnough) {
    return false;
  }
  int64_t high = 0;
  int64_t low = 0;
  for (int64_t i = 0; i + 4 <= std::min(size, kLooked); i += 4) {
    std::array<int64_t, 2> halves{};
    widen<uint16_t>(file_.bytes().data() + i, 2, halves.data());
    low = std::max(low, halves[0]);
    high = std::max(high, halves[1]);
  }
  return high <= kTiny && low > kTiny;
}

void TokenFile::measure_raw(const std::string& dtype) {
  const auto size = static_cast<int64_t>(file_.bytes().size());
  wide_ = dtype.empty() ? looks_wide() : dtype == "uint32";
  if (size % width_of(wide_) != 0) {
    throw strata::config_error({},
                               file_.path(),
                               " has ",
                               size,
                               " bytes, no multiple of the ",
                               width_of(wide_),
                               " of a token of ",
                               this->dtype(),
                               ": it is truncated, of another dtype, or no file of tokens (",
                               "`strata data tokenize` makes one from text)");
  }
  count_ = size / width_of(wide_);
}

void TokenFile::read(int64_t from, int64_t n, int64_t* out) const {
  const std::byte* const first = file_.bytes().data() + begin_ + from * width_of(wide_);
  if (wide_) {
    widen<uint32_t>(first, n, out);
  } else {
    widen<uint16_t>(first, n, out);
  }
}

}  // namespace tokens
