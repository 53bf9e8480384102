// SHA-256 by OpenSSL.
#include "checkpoint/sha256.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <vector>

#include <openssl/evp.h>

#include "strata/cpp/error.hpp"

#include "checkpoint/file_out.hpp"

namespace strata::checkpoint {

std::string sha256_of(const std::filesystem::path& file) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free);
  std::ifstream in(file, std::ios::binary);
  if (!in.is_open()) {
    throw_errno("cannot read", file, errno);
  }
  std::vector<char> piece(1 << 20);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  bool good = context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  while (good && in.read(piece.data(), static_cast<std::streamsize>(piece.size())).gcount() > 0) {
    good = EVP_DigestUpdate(context.get(), piece.data(), static_cast<size_t>(in.gcount())) == 1;
  }
  if (in.bad()) {
    throw_errno("cannot read", file, errno);
  }
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1) {
    throw Error(STRATA_E_FAILED, text("libcrypto gives no SHA-256 of ", file.string()));
  }
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < length; ++i) {
    out += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  }
  return out;
}

}  // namespace strata::checkpoint
