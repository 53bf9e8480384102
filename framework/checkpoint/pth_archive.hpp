// The archive that torch.save writes: a pickle, and a file for every storage.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "checkpoint/pickle.hpp"
#include "checkpoint/zip_reader.hpp"

namespace strata::checkpoint {

/// Borrows the bytes. Errors of all: STRATA_E_FAILED, naming the file.
class PthArchive {
 public:
  /// Errors: what is no such archive, is of a format that came before it or of a big-endian machine; with what to do.
  PthArchive(std::span<const std::byte> bytes, const std::string& file);
  PthArchive(const PthArchive&) = delete;
  PthArchive& operator=(const PthArchive&) = delete;

  [[nodiscard]] Pickle pickle() const { return read_pickle(*find("data.pkl"), refuse_); }

  /// name: inside the archive's one folder, "data/0".
  [[nodiscard]] std::optional<std::span<const std::byte>> find(const std::string& name) const;

  /// Throws.
  void refuse(const std::string& why) const { refuse_(why); }

 private:
  Refuse refuse_;
  ZipFiles files_;
  std::string folder_;  // "archive/"
};

}  // namespace strata::checkpoint
