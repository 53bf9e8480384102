// The value grammar of --cfg-options and of environment references.
#pragma once

#include <optional>
#include <string_view>

#include "config/value.hpp"

namespace strata::config {

/// Reads MMEngine's grammar of option values; nothing for `None`.
///
/// Integers, floats, true/false in any case, `[…]`, `(…)` and bare commas for lists, which nest;
/// text in quotes is text whatever it looks like (`"8"`), and all else is text as well. `{…}` is a
/// TOML inline table, `{{…}}` stays text and is resolved as a reference later. Errors:
/// STRATA_E_CONFIG at the origin: unbalanced brackets or quotes, None inside a list, a number
/// beyond 64 bits, nesting deeper than kMaxDepth.
std::optional<Value> parse_literal(std::string_view text, const Origin& origin);

}  // namespace strata::config
