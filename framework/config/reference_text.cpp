// Helpers around the text of a reference.
#include "config/reference_text.hpp"

#include "strata/cpp/error.hpp"

#include "config/dump.hpp"
#include "config/nearest.hpp"
#include "config/path.hpp"

namespace strata::config {

Origin noted(Origin origin, const std::string& note) {
  origin.note = origin.note.empty() ? note : origin.note + ", " + note;
  return origin;
}

bool is_whole_reference(const std::vector<TextPiece>& pieces) {
  return pieces.size() == 1 && pieces[0].kind == TextPiece::Kind::kReference;
}

std::vector<std::string> path_of(std::string_view reference, const Origin& origin) {
  try {
    return split_path(reference);
  } catch (const Error& e) {
    throw config_error(
        origin.where(), "the reference {{ ", reference, " }} is no key path: ", e.message());
  }
}

void refuse_unknown(std::string_view reference,
                    const std::string& segment,
                    const Value& parent,
                    const Origin& origin) {
  const std::string place = parent.path().empty() ? "" : " in " + parent.path();
  throw config_error(origin.where(),
                     "unknown reference {{ ",
                     reference,
                     " }}: there is no \"",
                     segment,
                     "\"",
                     place,
                     did_you_mean(segment, parent.keys()));
}

std::string text_form(const Value& value, std::string_view reference, const Origin& origin) {
  if (value.is_text()) {
    return value.as_text();
  }
  if (value.is_list() || value.is_table()) {
    throw config_error(
        origin.where(),
        "{{ ",
        reference,
        " }} is ",
        kind_name(value.kind()),
        ", which cannot stand inside a longer text; let the reference be the whole text");
  }
  return format_inline(value);
}

}  // namespace strata::config
