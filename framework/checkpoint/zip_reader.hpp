// The directory of a zip archive.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/strict_json.hpp"

namespace strata::checkpoint {

/// A file in an archive, whose bytes lie in the archive.
struct ZipFile {
  std::span<const std::byte> bytes;
  bool stored = false;  ///< as it is: neither compressed nor encrypted
};

/// By name.
using ZipFiles = std::map<std::string_view, ZipFile>;

/// Reads an archive's directory, zip64 as well. Borrows `archive`. CRCs are not compared: torch.save can be told to
/// write none.
///
/// Source   APPNOTE.TXT 6.3.10, 4.3.6 to 4.3.16 and 4.5.3.
/// Errors   those of refuse: no archive, one that is cut short or contradicts itself, a file that is there twice.
ZipFiles read_zip(std::span<const std::byte> archive, const Refuse& refuse);

}  // namespace strata::checkpoint
