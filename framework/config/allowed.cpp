// Reading of allowed values and asking them.
#include "config/allowed.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "strata/cpp/error.hpp"

namespace strata::config {
namespace {

std::string_view without_spaces(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos
             ? std::string_view{}
             : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::optional<double> number(std::string_view text) {
  std::string_view digits = without_spaces(text);
  if (digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  double value = 0;
  const auto [ptr, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool good = error == std::errc() && ptr == digits.data() + digits.size();
  return good ? std::optional(value) : std::nullopt;
}

Allowed parse_range(std::string_view text) {
  const bool closed = text.size() > 2 && (text.back() == ']' || text.back() == ')');
  const std::string_view inside = closed ? text.substr(1, text.size() - 2) : "";
  const std::size_t comma = std::min(inside.find(','), inside.size());
  const auto low = number(inside.substr(0, comma));
  const auto high = number(comma < inside.size() ? inside.substr(comma + 1) : "");
  if (!low || !high || !(*low <= *high)) {
    throw Error(STRATA_E_ARGUMENT,
                strata::text("\"", text, "\" is no range; write [low, high] or (low, high)"));
  }
  Allowed out;
  out.form = Allowed::Form::kRange;
  out.low = *low;
  out.high = *high;
  out.low_open = text.front() == '(';
  out.high_open = text.back() == ')';
  return out;
}

Allowed parse_choice(std::string_view text) {
  Allowed out;
  out.form = Allowed::Form::kChoice;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    out.choices.emplace_back(without_spaces(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (std::ranges::find(out.choices, "") != out.choices.end()) {
    throw Error(STRATA_E_ARGUMENT, strata::text("\"", text, "\" has an empty choice; write a|b|c"));
  }
  return out;
}

}  // namespace

Allowed Allowed::parse(std::string_view text) {
  const std::string_view plain = without_spaces(text);
  if (plain.empty()) {
    return {};
  }
  const bool opens = plain.front() == '[' || plain.front() == '(';
  Allowed out = opens ? parse_range(plain) : parse_choice(plain);
  out.text = std::string(plain);
  return out;
}

bool Allowed::has(std::string_view choice) const {
  return form == Form::kAnything || std::ranges::find(choices, choice) != choices.end();
}

bool Allowed::has_number(double value) const {
  if (form == Form::kRange) {
    return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
  }
  return form == Form::kAnything ||
         std::ranges::any_of(
             choices, [value](const std::string& choice) { return number(choice) == value; });
}

std::string Allowed::advice() const {
  if (form == Form::kRange) {
    return "use a number in " + text;
  }
  std::string out = "use ";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const bool last = i + 1 == choices.size();
    out += (i == 0 ? "" : last ? " or " : ", ") + choices[i];
  }
  return out;
}

}  // namespace strata::config
