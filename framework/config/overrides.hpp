// `--cfg-options a.b.c=value`: single values put over a loaded configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/references.hpp"
#include "config/value.hpp"

namespace strata::config {

/// Applies one option. Missing tables on the way are created, list items go by number, `None`
/// removes the key, a table value merges as a child file's would. The values' origin is
/// "--cfg-options".
///
/// Errors: STRATA_E_CONFIG with the option as place: no `=`, an unreadable value, a path through a
/// value that is no table, a list index out of range, a table over another kind or the reverse.
void apply_override(Value& root, std::string_view option, const FileScope& scope);

}  // namespace strata::config
