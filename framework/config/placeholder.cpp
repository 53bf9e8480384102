// Splitting of texts at their references.
#include "config/placeholder.hpp"

#include "strata/cpp/error.hpp"

namespace strata::config {
namespace {

std::string without_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

}  // namespace

std::vector<TextPiece> split_text(std::string_view text, const Origin& origin) {
  std::vector<TextPiece> pieces;
  const auto add_literal = [&pieces](std::string_view literal) {
    if (!literal.empty()) {
      pieces.push_back({TextPiece::Kind::kLiteral, std::string(literal)});
    }
  };
  std::size_t pos = 0;
  for (std::size_t open = text.find("{{"); open != std::string_view::npos;
       open = text.find("{{", pos)) {
    if (open > pos && text[open - 1] == '\\') {
      add_literal(text.substr(pos, open - 1 - pos));
      pieces.push_back({TextPiece::Kind::kEscape, {}});
      pos = open + 2;
      continue;
    }
    const std::size_t close = text.find("}}", open);
    const std::string inside = close == std::string_view::npos
                                   ? ""
                                   : without_blanks(text.substr(open + 2, close - open - 2));
    if (inside.empty()) {
      throw config_error(origin.where(),
                         "\"",
                         text,
                         "\" has ",
                         close == std::string_view::npos ? "a {{ without }}" : "an empty reference",
                         "; write {{ key.path }}, or \\{{ for the characters themselves");
    }
    add_literal(text.substr(pos, open - pos));
    pieces.push_back({TextPiece::Kind::kReference, inside});
    pos = close + 2;
  }
  add_literal(text.substr(pos));
  return pieces;
}

std::string escape_braces(std::string_view text) {
  std::string out;
  std::size_t pos = 0;
  for (std::size_t open = text.find("{{"); open != std::string_view::npos;
       open = text.find("{{", pos)) {
    out.append(text.substr(pos, open - pos)).append("\\{{");
    pos = open + 2;
  }
  return out.append(text.substr(pos));
}

}  // namespace strata::config
