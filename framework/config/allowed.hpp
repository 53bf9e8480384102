// The allowed values of a field: "a|b|c", or a range "[0, 1]", "(0, inf)".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strata::config {

/// What the text of a field's `allowed` means. Everything is allowed by an empty text.
///
/// Errors of parse: STRATA_E_ARGUMENT for a text that is neither form; it is its author's mistake.
struct Allowed {
  enum class Form : unsigned char { kAnything, kChoice, kRange };

  static Allowed parse(std::string_view text);

  [[nodiscard]] bool has(std::string_view choice) const;
  /// A number lies in the range, or equals one of the choices. NaN lies in no range.
  [[nodiscard]] bool has_number(double value) const;
  /// "use a, b or c", "use a number in [0, 1]".
  [[nodiscard]] std::string advice() const;

  Form form = Form::kAnything;
  std::vector<std::string> choices;
  double low = 0;
  double high = 0;
  bool low_open = false;
  bool high_open = false;
  std::string text;
};

}  // namespace strata::config
