// Parsing of option values.
#include "config/literal.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>
#include <vector>

#include "strata/cpp/error.hpp"

#include "config/parse.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool is_quote(char c) {
  return c == '"' || c == '\'';
}

/// A quote opens only where a value may begin, so that "it's" stays a text.
bool may_open_quote(std::string_view text, std::size_t pos) {
  const std::string_view before = trimmed(text.substr(0, pos));
  return before.empty() || std::string_view("[({,=").find(before.back()) != std::string_view::npos;
}

/// The bracket that closes `open`.
char closer_of(char open) {
  return open == '(' ? ')' : static_cast<char>(open + 2);
}

/// Walks over a value text and knows at each character whether it is inside quotes or brackets.
class Scanner {
 public:
  Scanner(std::string_view text, const Origin& origin) : text_(text), origin_(origin) {
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (is_quote(text_[i]) && may_open_quote(text_, i)) {
        i = end_of_quote(i);
      } else {
        take(i);
      }
    }
    if (!open_.empty()) {
      refuse(std::string("a missing \"") + open_.back() + '"');
    }
  }

  /// Places of the commas outside of all brackets and quotes.
  [[nodiscard]] const std::vector<std::size_t>& commas() const { return commas_; }

  /// True when the text begins with this bracket and ends with the one that closes it.
  [[nodiscard]] bool is_inside(char bracket) const {
    return !text_.empty() && text_.front() == bracket && first_close_ + 1 == text_.size();
  }

 private:
  void take(std::size_t i) {
    const char c = text_[i];
    if (c == '[' || c == '(' || c == '{') {
      open_.push_back(closer_of(c));
    } else if (!open_.empty() && c == open_.back()) {
      open_.pop_back();
      first_close_ = open_.empty() ? std::min(first_close_, i) : first_close_;
    } else if (c == ']' || c == ')' || c == '}') {
      refuse(std::string("a \"") + c + "\" that nothing opened");
    } else if (c == ',' && open_.empty()) {
      commas_.push_back(i);
    }
  }

  /// TOML's escapes count in an inline table alone: the grammar itself has none.
  [[nodiscard]] std::size_t end_of_quote(std::size_t open) const {
    const bool escapes = text_[open] == '"' && open_.find('}') != std::string::npos;
    for (std::size_t i = open + 1; i < text_.size(); ++i) {
      if (escapes && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == text_[open]) {
        return i;
      }
    }
    refuse("a quote that is never closed");
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw config_error(origin_.where(),
                       "the value `",
                       text_,
                       "` has ",
                       what,
                       "; put a text that means it literally in quotes");
  }

  std::string_view text_;
  const Origin& origin_;
  std::string open_;  // the closers that are due
  std::vector<std::size_t> commas_;
  std::size_t first_close_ = std::string_view::npos - 1;
};

std::vector<std::string_view> split_at(std::string_view text,
                                       const std::vector<std::size_t>& commas) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  for (const std::size_t comma : commas) {
    out.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  // One comma at the end closes a list of one, as in (1,).
  if (!trimmed(text.substr(begin)).empty()) {
    out.push_back(text.substr(begin));
  }
  return out;
}

/// Drops what from_chars does not know of Python's numbers: a leading plus, underscores between
/// digits.
std::string plain_number(std::string_view text) {
  std::string out;
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  for (std::size_t i = plus ? 1 : 0; i < text.size(); ++i) {
    const auto digit = [&text](std::size_t at) {
      return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0;
    };
    if (text[i] != '_' || i == 0 || !digit(i - 1) || !digit(i + 1)) {
      out += text[i];
    }
  }
  return out;
}

template <class Number>
std::optional<Number> number(std::string_view text, const Origin& origin) {
  const std::string plain = plain_number(text);
  Number value{};
  const char* end = plain.data() + plain.size();
  const auto [ptr, error] = std::from_chars(plain.data(), end, value);
  if (ptr != end || error == std::errc::invalid_argument) {
    return std::nullopt;
  }
  if (error == std::errc::result_out_of_range) {
    throw config_error(
        origin.where(), "the number ", text, " does not fit 64 bits; quote it to make it a text");
  }
  return value;
}

Value scalar(std::string_view text, const Origin& origin) {
  if (text.size() >= 2 && is_quote(text.front()) && text.find(text.front(), 1) == text.size() - 1) {
    return Value(std::string(text.substr(1, text.size() - 2)), origin);
  }
  if (const auto value = number<std::int64_t>(text, origin)) {
    return Value(*value, origin);
  }
  // from_chars also reads "nan(…)", which no one means as a number.
  if (const auto value = number<double>(text, origin);
      value && text.find('(') == std::string_view::npos) {
    return Value(*value, origin);
  }
  std::string lower(text);
  std::ranges::transform(
      lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "true" || lower == "false") {
    return Value(lower == "true", origin);
  }
  return Value(std::string(text), origin);
}

std::optional<Value> parse(std::string_view raw, const Origin& origin, int depth);

Value parse_list(std::string_view text,
                 const std::vector<std::size_t>& commas,
                 const Origin& origin,
                 int depth) {
  Value::List items;
  for (const std::string_view piece : split_at(text, commas)) {
    std::optional<Value> item = parse(piece, origin, depth + 1);
    if (!item) {
      throw config_error(origin.where(), "None cannot stand in a list; leave the item out");
    }
    items.push_back(std::move(*item));
  }
  return Value(std::move(items), origin);
}

std::optional<Value> parse(std::string_view raw, const Origin& origin, int depth) {
  const std::string_view text = trimmed(raw);
  if (depth > kMaxDepth) {
    throw config_error(
        origin.where(), "nested more than ", kMaxDepth, " levels deep; nest less deeply");
  }
  const Scanner scan(text, origin);
  if (!scan.commas().empty()) {
    return parse_list(text, scan.commas(), origin, depth);
  }
  if (text == "None") {
    return std::nullopt;
  }
  if (scan.is_inside('[') || scan.is_inside('(')) {
    const std::string_view inner = text.substr(1, text.size() - 2);
    return parse_list(inner, Scanner(inner, origin).commas(), origin, depth);
  }
  if (scan.is_inside('{') && !text.starts_with("{{")) {
    return parse_toml_value(text, origin);
  }
  return scalar(text, origin);
}

}  // namespace

std::optional<Value> parse_literal(std::string_view text, const Origin& origin) {
  return parse(text, origin, 0);
}

}  // namespace strata::config
