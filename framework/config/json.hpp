// The configuration as JSON text, for languages that bring their own decoder.
#pragma once

#include <string>

#include "config/value.hpp"

namespace strata::config {

/// Compact JSON in the order of the tree; integers stay integers, floats are exact.
/// JSON has no infinity and no NaN: they become the texts "inf", "-inf" and "nan".
std::string to_json(const Value& value);

}  // namespace strata::config
