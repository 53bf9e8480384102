// How deep a TOML text would nest, known before it is parsed.
#pragma once

#include <string>
#include <string_view>

namespace strata::config {

/// Refuses a key or a value that nests more than kMaxDepth levels by dots and brackets: a tree of 100,000 levels ends
/// the parser, and whatever walks the tree, for lack of stack. Passes what is no TOML; the parser refuses that.
/// Errors: STRATA_E_CONFIG at name:line:column.
void check_depth(std::string_view toml, const std::string& name);

}  // namespace strata::config
