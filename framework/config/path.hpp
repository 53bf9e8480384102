// Dotted paths of keys: "strategy.zero_optimization.stage", "custom_hooks.0.type",
// "a.\"key.with.dots\"".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strata::config {

inline constexpr int kMaxDepth = 256;  // of a configuration; deeper ones are refused

/// The segments of a dotted path. Errors: STRATA_E_CONFIG on an empty segment, an open quote, too
/// many segments.
std::vector<std::string> split_path(std::string_view path);

/// The key as TOML writes it: bare when it may be, else quoted and escaped.
std::string quote_key(std::string_view key);

/// The text as a TOML basic string, quotes included.
std::string quote_text(std::string_view text);

/// parent + "." + key, quoted where needed.
std::string join_path(std::string_view parent, std::string_view key);

}  // namespace strata::config
