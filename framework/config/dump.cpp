// TOML writing.
#include "config/dump.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "config/leaves.hpp"
#include "config/path.hpp"
#include "config/placeholder.hpp"

namespace strata::config {
namespace {

std::string format_float(double value) {
  if (!std::isfinite(value)) {
    return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  }
  std::array<char, 32> buffer{};  // the shortest form of a double has at most 24 characters
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  const std::string out(buffer.data(), end);
  return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}

enum class Braces : bool { kAsTheyAre, kEscaped };

class Writer {
 public:
  explicit Writer(Braces braces) : braces_(braces) {}

  void inline_value(const Value& value) {
    switch (value.kind()) {
      case Kind::kBool:
        out_ += std::get<bool>(value.data()) ? "true" : "false";
        break;
      case Kind::kInt:
        out_ += std::to_string(std::get<std::int64_t>(value.data()));
        break;
      case Kind::kFloat:
        out_ += format_float(std::get<double>(value.data()));
        break;
      case Kind::kText:
        inline_text(std::get<std::string>(value.data()));
        break;
      case Kind::kList:
        inline_list(std::get<Value::List>(value.data()));
        break;
      case Kind::kTable:
        inline_table(std::get<Value::Table>(value.data()));
        break;
    }
  }

  /// The entries of a table whose header stands already.
  void body(const Value& table, const std::string& path) {
    const auto& entries = std::get<Value::Table>(table.data());
    for (const Entry& entry : entries) {
      if (!is_section(entry.value)) {
        out_ += quote_key(entry.key) + " = ";
        inline_value(entry.value);
        out_ += '\n';
      }
    }
    for (const Entry& entry : entries) {
      const std::string own_path = join_path(path, entry.key);
      if (entry.value.is_table()) {
        section(entry.value, own_path);
      } else if (is_section(entry.value)) {
        list_of_sections(std::get<Value::List>(entry.value.data()), own_path);
      }
    }
  }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  /// Tables, and lists of nothing but tables.
  static bool is_section(const Value& value) {
    if (const auto* list = std::get_if<Value::List>(&value.data())) {
      return !list->empty() && std::ranges::all_of(*list, &Value::is_table);
    }
    return value.is_table();
  }

  void section(const Value& table, const std::string& path) {
    const auto& entries = std::get<Value::Table>(table.data());
    const bool only_sections = !entries.empty() && std::ranges::all_of(entries, [](const Entry& e) {
      return is_section(e.value);
    });
    if (!only_sections) {
      header("[" + path + "]");
    }
    body(table, path);
  }

  void list_of_sections(const Value::List& list, const std::string& path) {
    for (const Value& item : list) {
      header("[[" + path + "]]");
      body(item, path);
    }
  }

  void header(const std::string& text) { out_ += (out_.empty() ? "" : "\n") + text + "\n"; }

  void inline_text(const std::string& text) {
    out_ += quote_text(braces_ == Braces::kEscaped ? escape_braces(text) : text);
  }

  void inline_list(const Value::List& list) {
    out_ += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
      out_ += i == 0 ? "" : ", ";
      inline_value(list[i]);
    }
    out_ += ']';
  }

  void inline_table(const Value::Table& table) {
    out_ += '{';
    for (std::size_t i = 0; i < table.size(); ++i) {
      out_ += (i == 0 ? "" : ", ") + quote_key(table[i].key) + " = ";
      inline_value(table[i].value);
    }
    out_ += '}';
  }

  Braces braces_;
  std::string out_;
};

std::string comment(const Origin& origin) {
  if (origin.file.empty()) {
    return origin.note;
  }
  return fmt::format("{}:{}{}",
                     origin.file,
                     origin.line,
                     origin.note.empty() ? "" : fmt::format(" ({})", origin.note));
}

}  // namespace

std::string format_inline(const Value& value) {
  Writer writer(Braces::kAsTheyAre);
  writer.inline_value(value);
  return writer.take();
}

std::string dump(const Value& root) {
  Writer writer(Braces::kEscaped);
  writer.body(root, {});
  return writer.take();
}

std::string show(const Value& root) {
  std::string out;
  for (const Leaf& leaf : leaves(root)) {
    const std::string place = comment(leaf.value->origin());
    out += leaf.path + " = " + format_inline(*leaf.value) +
           (place.empty() ? "" : "    # " + place) + '\n';
  }
  return out;
}

}  // namespace strata::config
