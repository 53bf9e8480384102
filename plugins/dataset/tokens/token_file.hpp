// A file of token ids: raw, or behind the header of llm.c's data files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "strata/kit/mapped_file.hpp"

namespace tokens {

/// Move-only.
class TokenFile {
 public:
  /// dtype: "uint16", "uint32", or empty: what the header says, else what the numbers look like.
  /// Errors: STRATA_E_CONFIG: it cannot be read, is empty, odd-sized, truncated, of an unknown
  /// version, or of another dtype than the one given.
  TokenFile(std::filesystem::path path, const std::string& dtype);

  [[nodiscard]] int64_t count() const { return count_; }

  [[nodiscard]] const char* dtype() const { return wide_ ? "uint32" : "uint16"; }

  /// Copies tokens [from, from + n), which must be there.
  void read(int64_t from, int64_t n, int64_t* out) const;

 private:
  void read_header(const std::string& dtype);
  void measure_raw(const std::string& dtype);
  [[nodiscard]] bool looks_wide() const;

  strata::kit::MappedFile file_;
  int64_t begin_ = 0;  // bytes before the first token
  int64_t count_ = 0;
  bool wide_ = false;
};

}  // namespace tokens
