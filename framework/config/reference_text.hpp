// What both stages of resolving references share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/placeholder.hpp"
#include "config/value.hpp"

namespace strata::config {

/// The origin with one more note.
Origin noted(Origin origin, const std::string& note);

bool is_whole_reference(const std::vector<TextPiece>& pieces);

/// The keys of a reference. Errors: STRATA_E_CONFIG at the origin when it is no key path.
std::vector<std::string> path_of(std::string_view reference, const Origin& origin);

[[noreturn]] void refuse_unknown(std::string_view reference,
                                 const std::string& segment,
                                 const Value& parent,
                                 const Origin& origin);

/// A referenced value as part of a longer text. Errors: STRATA_E_CONFIG for a list or table.
std::string text_form(const Value& value, std::string_view reference, const Origin& origin);

}  // namespace strata::config
