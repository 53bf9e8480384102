// DeepSpeed's JSON files, as its users write them.
#pragma once

#include <string>

#include "value.hpp"

namespace strata::deepspeed {

/// Reads a file: JSON with `//`, `/* */` and `#` comments and trailing commas.
///
/// path: as given in the configuration; relative to the folder of the file in `named_at`
/// ("file:line:column"), or to the current folder if that names no file.
/// Errors: STRATA_E_CONFIG at file and line: a file that cannot be read, text that is no JSON, a key
/// given twice in one table.
Value read_json_file(const std::string& path, const std::string& named_at);

/// The same for a text. file: the name in places.
Value parse_json(const std::string& text, const std::string& file);

}  // namespace strata::deepspeed
