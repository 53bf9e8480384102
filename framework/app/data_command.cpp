// strata data tokenize: files of text to a file of tokens, byte by byte.
#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <set>
#include <vector>

#include "strata/cpp/error.hpp"

#include "app/cli.hpp"
#include "checkpoint/file_out.hpp"

namespace strata::app {
namespace {

namespace fs = std::filesystem;

constexpr uint16_t kEndOfText = 256;  // after the 256 bytes; 257 tokens in all
constexpr size_t kChunk = 1U << 20U;

static_assert(std::endian::native == std::endian::little,
              "tokens are written as they lie in memory");

struct Texts {
  std::vector<fs::path> files;  // each once, links followed
  size_t repeated = 0;
  uint64_t tokens = 0;
};

fs::path real_file(const std::string& name, const fs::path& out) {
  std::error_code error;
  const fs::path file = fs::canonical(name, error);
  if (error) {
    throw config_error({}, "cannot read ", name, ": ", error.message());
  }
  if (!fs::is_regular_file(file)) {
    throw config_error({}, name, " is no file; name the files in it");
  }
  if (fs::exists(out) && fs::equivalent(file, out)) {
    throw config_error({}, "--out ", out.string(), " is one of the files to read; name another");
  }
  return file;
}

Texts find_texts(const std::vector<std::string>& names, const fs::path& out) {
  Texts texts;
  std::set<fs::path> seen;
  for (const std::string& name : names) {
    const fs::path file = real_file(name, out);
    if (!seen.insert(file).second) {
      ++texts.repeated;
      continue;
    }
    texts.files.push_back(file);
    texts.tokens += fs::file_size(file) + (texts.files.size() > 1 ? 1 : 0);
  }
  if (texts.tokens < 2) {
    throw config_error(
        {}, "these files have ", texts.tokens, " byte(s) in all; a sample takes at least two");
  }
  if (texts.tokens > std::numeric_limits<int32_t>::max()) {
    throw config_error({},
                       "these files have ",
                       texts.tokens,
                       " tokens in all, and a token file holds at most ",
                       std::numeric_limits<int32_t>::max(),
                       "; make several");
  }
  return texts;
}

// As llm.c's files: 256 int32, of which magic number, version and number of tokens mean something.
std::array<int32_t, 256> header_of(uint64_t tokens, bool wide) {
  std::array<int32_t, 256> header{};
  header[0] = wide ? 20240801 : 20240520;
  header[1] = wide ? 7 : 1;
  header[2] = static_cast<int32_t>(tokens);
  return header;
}

template <class Token>
void put_bytes(checkpoint::FileOut& out, const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> bytes(kChunk);
  std::vector<Token> tokens;
  while (in.read(bytes.data(), kChunk), in.gcount() > 0) {
    const auto* const first = reinterpret_cast<const unsigned char*>(bytes.data());
    tokens.assign(first, first + in.gcount());
    out.write(std::as_bytes(std::span(tokens)));
  }
  if (!in.eof()) {
    throw Error(STRATA_E_IO, text("cannot read ", file.string()));
  }
}

template <class Token>
void write_tokens(const Texts& texts, const fs::path& path) {
  const auto header = header_of(texts.tokens, sizeof(Token) == 4);
  const uint64_t bytes = sizeof(header) + texts.tokens * sizeof(Token);
  checkpoint::FileOut out(path, bytes);
  out.write(std::as_bytes(std::span(header)));
  for (const fs::path& file : texts.files) {
    if (&file != &texts.files.front()) {
      const Token end = kEndOfText;
      out.write(std::as_bytes(std::span(&end, 1)));
    }
    put_bytes<Token>(out, file);
  }
  if (out.written() != bytes) {
    throw Error(STRATA_E_IO,
                text("the files changed while they were read: ",
                     out.written(),
                     " bytes instead of ",
                     bytes));
  }
  out.commit();
}

}  // namespace

int data_tokenize(const std::vector<std::string>& files,
                  const std::string& out,
                  const std::string& dtype) {
  const Texts texts = find_texts(files, out);
  try {
    dtype == "uint32" ? write_tokens<uint32_t>(texts, out) : write_tokens<uint16_t>(texts, out);
  } catch (const std::exception& e) {
    print_error(e);
    return kFailed;
  }
  std::cout << out << ": " << texts.files.size() << " text(s), " << texts.tokens << " tokens of "
            << dtype << ", vocabulary 257 (bytes, and " << kEndOfText << " between texts)\n";
  if (texts.repeated > 0) {
    std::cout << texts.repeated << " name(s) of a file that had its turn already were left out\n";
  }
  return 0;
}

}  // namespace strata::app
