// The ELF note of a plugin, read from its file without running it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace strata::plugin {

struct NoteFile {
  bool has_note = false;
  std::string text;      ///< the manifest as TOML
  uint16_t machine = 0;  ///< ELF e_machine: 62 x86-64, 183 AArch64
  std::string content;   ///< tells builds apart: the linker's build id, else a checksum of the file
  std::string why_not;   ///< when it has no note: what the file is instead
};

/// Looks for a note of owner "Strata" and type 1 in the PT_NOTE segments of a little-endian ELF64
/// library. Errors: STRATA_E_IO when the file cannot be read, STRATA_E_CONFIG when it is ELF but
/// cut off or contradicts itself.
NoteFile read_note(const std::filesystem::path& file);

}  // namespace strata::plugin
