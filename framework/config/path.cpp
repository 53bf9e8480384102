// Splitting and joining of dotted paths.
#include "config/path.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>

#include <fmt/format.h>

#include "strata/cpp/error.hpp"

namespace strata::config {
namespace {

bool is_bare(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

/// Reads a quoted segment from its opening quote on; leaves pos behind the closing one.
std::string quoted_segment(std::string_view path, std::size_t& pos) {
  const char quote = path[pos++];
  std::string out;
  while (pos < path.size() && path[pos] != quote) {
    if (quote == '"' && path[pos] == '\\' && pos + 1 < path.size()) {
      ++pos;
    }
    out += path[pos++];
  }
  if (pos == path.size()) {
    throw config_error("", "the path ", path, " has a quote that is never closed");
  }
  ++pos;
  return out;
}

std::string bare_segment(std::string_view path, std::size_t& pos) {
  const std::size_t end = std::min(path.find('.', pos), path.size());
  std::string out(path.substr(pos, end - pos));
  pos = end;
  if (out.empty()) {
    throw config_error("", "the path \"", path, "\" has an empty key; write it as a.b.c");
  }
  return out;
}

}  // namespace

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  std::size_t pos = 0;
  do {
    const bool quoted = pos < path.size() && (path[pos] == '"' || path[pos] == '\'');
    segments.push_back(quoted ? quoted_segment(path, pos) : bare_segment(path, pos));
    if (pos < path.size() && path[pos] != '.') {
      throw config_error("", "the path ", path, " needs a dot behind the closing quote");
    }
    if (segments.size() > kMaxDepth) {
      throw config_error("", "a path has more than ", kMaxDepth, " keys; nest less deeply");
    }
  } while (pos++ < path.size());
  return segments;
}

std::string quote_key(std::string_view key) {
  const bool bare = !key.empty() && std::ranges::all_of(key, is_bare);
  return bare ? std::string(key) : quote_text(key);
}

std::string quote_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string join_path(std::string_view parent, std::string_view key) {
  return parent.empty() ? quote_key(key) : fmt::format("{}.{}", parent, quote_key(key));
}

}  // namespace strata::config
