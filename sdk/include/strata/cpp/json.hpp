// Numbers and texts as JSON; numbers as Python's json module writes them, NaN and infinity
// included.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

namespace strata {

/// The shortest text that reads back as the same double; "1.0", "1e-05", "NaN", "-Infinity".
__attribute__((visibility("hidden"))) inline std::string json_float(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  // Python changes to an exponent below 1e-4 and from 1e16 on; to_chars takes whichever is shorter.
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  std::array<char, 64> digits{};
  const auto end = std::to_chars(digits.data(),
                                 digits.data() + digits.size(),
                                 value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  const std::string out(digits.data(), end.ptr);
  return fixed && out.find('.') == std::string::npos ? out + ".0" : out;
}

/// In quotes, with escapes; other bytes are copied, so UTF-8 stays UTF-8.
__attribute__((visibility("hidden"))) inline std::string json_text(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace strata
