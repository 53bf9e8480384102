// TOML text to a Value tree with places.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "config/value.hpp"

namespace strata::config {

/// The tree of a TOML document. `name` stands as the file in every place.
/// Errors: STRATA_E_CONFIG at file:line:col for syntax, duplicate keys, dates and times, too deep
/// nesting.
Value parse_toml(std::string_view text, const std::string& name);

/// As parse_toml, from a file. Errors also when it cannot be read.
Value parse_file(const std::filesystem::path& file);

/// One TOML value (`[1, 2]`, `{type = "X"}`, `"text"`); all of it gets the given place.
Value parse_toml_value(std::string_view text, const Origin& origin);

}  // namespace strata::config
