// Counts dots and brackets outside of texts and comments.
#include "config/depth.hpp"

#include <algorithm>
#include <vector>

#include "strata/cpp/error.hpp"

#include "config/origin.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

Origin place(std::string_view text, std::size_t pos, const std::string& name) {
  const std::string_view before = text.substr(0, pos);
  const std::string_view line = before.substr(before.rfind('\n') + 1);  // npos + 1 is 0
  const auto starts_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  };
  return {name,
          static_cast<int>(std::ranges::count(before, '\n')) + 1,
          static_cast<int>(std::ranges::count_if(line, starts_character)) + 1,
          {}};
}

/// The position of the quote that closes the text opened at pos, or the end. An unclosed text of one line ends with it.
std::size_t end_of_text(std::string_view text, std::size_t pos) {
  const char quote = text[pos];
  const std::string closer(text.substr(pos, 3) == std::string(3, quote) ? 3 : 1, quote);
  for (std::size_t i = pos + closer.size(); i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text.substr(i, closer.size()) == closer) {
      // Up to two quotes right before the closing three belong to the text.
      const std::size_t other = std::min(text.find_first_not_of(quote, i), text.size());
      return closer.size() == 1 ? i : std::min(other - 1, i + 4);
    } else if (text[i] == '\n' && closer.size() == 1) {
      return i;
    }
  }
  return text.size();
}

class Depth {
 public:
  /// Levels after this character, which is in no text and no comment.
  int take(char c) {
    switch (c) {
      case '.':
        ++dots_;
        break;
      case '[':
      case '{':
        open_.push_back(levels() + 1);  // what it holds is below the keys in front of it
        dots_ = 0;
        break;
      case ']':
      case '}':
        if (open_.size() > 1) {
          open_.pop_back();
        }
        dots_ = 0;
        break;
      case ',':
      case '\n':
        dots_ = 0;
        break;
      default:
        break;
    }
    return levels();
  }

 private:
  [[nodiscard]] int levels() const { return open_.back() + dots_; }

  std::vector<int> open_ = {0};  // levels above what each open bracket holds
  int dots_ = 0;                 // of the key, or the number, being read
};

}  // namespace

void check_depth(std::string_view toml, const std::string& name) {
  Depth depth;
  for (std::size_t i = 0; i < toml.size(); ++i) {
    if (toml[i] == '#') {
      i = std::min(toml.find('\n', i), toml.size()) - 1;
    } else if (toml[i] == '"' || toml[i] == '\'') {
      i = end_of_text(toml, i);
    } else if (depth.take(toml[i]) > kMaxDepth) {
      throw config_error(place(toml, i, name).where(),
                         "nested more than ",
                         kMaxDepth,
                         " levels deep; nest less deeply");
    }
  }
}

}  // namespace strata::config
