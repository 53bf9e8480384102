// The name that was probably meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strata::config {

/// The candidate closest to a misspelt name, or nothing when none is close.
///
/// Close: at most a third of the letters (at least one) inserted, left out, changed or swapped,
/// letter case and "-" for "_" aside; or one is the beginning of the other ("DeepSpeed").
std::optional<std::string> nearest(std::string_view name,
                                   std::span<const std::string_view> candidates);

/// The end of a message: `; did you mean "x"?`, else the known names, else nothing.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace strata::config
