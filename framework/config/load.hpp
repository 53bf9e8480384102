// From a configuration file and options to the resolved configuration.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "config/value.hpp"

namespace strata::config {

/// Reads a TOML file with its bases (`_base_`, recursively), applies the options (`a.b=1`),
/// resolves all references and seals the tree. Reads the environment where a reference asks for it.
///
/// Errors: STRATA_E_CONFIG with the place in the file that has to change, or the option.
Value load(const std::filesystem::path& file, std::span<const std::string> overrides = {});

}  // namespace strata::config
