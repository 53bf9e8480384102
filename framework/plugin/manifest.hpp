// What a plugin says of itself in its note.
#pragma once

#include <string>
#include <vector>

namespace strata::plugin {

struct TypeName {
  std::string name;  ///< as in `type = "…"`
  std::string kind;  ///< "strategy", "hook", …

  friend auto operator<=>(const TypeName&, const TypeName&) = default;
};

struct Manifest {
  std::string id;
  std::string version;
  std::string vendor;   ///< may be empty
  std::string license;  ///< may be empty
  std::string doc;      ///< may be empty
  int abi_major = 0;
  int abi_minor = 0;
  std::string sdk;              ///< version of the SDK it was built with; may be empty
  std::string tier;             ///< "c", "torch-native"
  std::string torch_build_tag;  ///< of tier torch-native
  std::vector<TypeName> types;
};

/// Reads a note's text. file: stands in messages.
/// Errors: STRATA_E_CONFIG for what is no TOML, lacks a key, or names a type twice.
Manifest parse_manifest(const std::string& text, const std::string& file);

}  // namespace strata::plugin
