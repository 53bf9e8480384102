// The conditions under which a plugin may be loaded. All are tested before any of its code runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "plugin/manifest.hpp"

namespace strata::plugin {

/// What a plugin must fit.
struct Host {
  int abi_major;
  int abi_minor;
  std::string torch_build_tag;
  uint16_t machine;  ///< ELF e_machine
};

/// This program.
Host this_host();

enum class Trust {
  kNormal,
  kStrict  ///< refuses as well what a group other than the user's may write
};

// Each refusal is an Error of code STRATA_E_CONFIG that names the field, what was wanted, what was
// found and what to do.

/// A regular file, and neither it nor its folder may be changed by strangers. file: canonical.
void check_file(const std::filesystem::path& file, Trust trust);

/// ABI version, tier, build tag and architecture.
void check_fits(const Manifest& manifest, uint16_t machine, const Host& host);

}  // namespace strata::plugin
