// The configuration as text: TOML that loads again, and a listing with origins.
#pragma once

#include <string>

#include "config/value.hpp"

namespace strata::config {

/// A value on one line, as TOML writes it inline. Floats by their shortest exact form and never as
/// integers. Braces of references are not escaped.
std::string format_inline(const Value& value);

/// The whole tree as a TOML document: `load`ing it gives an equal tree, floats to the bit, plain
/// `{{` escaped. Tables become sections and follow the other keys of their table, as TOML demands;
/// the order of keys is kept otherwise.
std::string dump(const Value& root);

/// One line for each leaf: `strategy.fp16.enabled = true    # configs/x.toml:12 (note)`.
std::string show(const Value& root);

}  // namespace strata::config
