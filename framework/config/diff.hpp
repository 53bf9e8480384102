// What differs between two configurations.
#pragma once

#include <string>
#include <vector>

#include "config/value.hpp"

namespace strata::config {

/// "- key.path = old" and "+ key.path = new" for every leaf that differs, in the order of the
/// trees; the two lines of a changed leaf stand together. Empty for equal trees; origins do not
/// count.
std::vector<std::string> diff(const Value& before, const Value& after);

}  // namespace strata::config
