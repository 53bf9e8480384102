// The pieces of a text with references: "{{ fileDirname }}/data" is one reference and one literal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/origin.hpp"

namespace strata::config {

struct TextPiece {
  enum class Kind : unsigned char { kLiteral, kEscape, kReference };
  Kind kind;
  std::string
      text;  // literal text, empty for the escape, the trimmed inside of {{ }} for a reference
};

/// Splits a text. `\{{` is an escape that stands for a plain `{{`.
/// Errors: STRATA_E_CONFIG at the origin for a `{{` without `}}` and for an empty reference.
std::vector<TextPiece> split_text(std::string_view text, const Origin& origin);

/// The text with each `{{` escaped, so that split_text finds no reference in it.
std::string escape_braces(std::string_view text);

}  // namespace strata::config
