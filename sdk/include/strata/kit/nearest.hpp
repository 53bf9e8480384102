// Which known name was meant by one that is unknown.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "strata/cpp/host.hpp"

namespace strata::kit {

/// The known name that a misspelt one is closest to, with letters taken away, added and exchanged; empty when none is
/// within a third of it.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

/// `; did you mean "x"?`, or nothing.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);

}  // namespace strata::kit
