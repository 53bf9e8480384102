// The only file that knows toml++.
#include "config/parse.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <tuple>
#include <vector>

#include <toml++/toml.h>

#include "strata/cpp/error.hpp"

#include "config/depth.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

class Converter {
 public:
  explicit Converter(const std::string& file) : file_(file) {}

  [[nodiscard]] Value table(const toml::table& source, Origin origin, int depth) const {
    // toml++ sorts keys by name; their places give back the order of the file.
    std::vector<std::pair<const toml::key*, const toml::node*>> entries;
    for (const auto& [key, node] : source) {
      entries.emplace_back(&key, &node);
    }
    std::ranges::stable_sort(entries, {}, [](const auto& entry) {
      const toml::source_position begin = entry.first->source().begin;
      return std::tuple(begin.line, begin.column);
    });
    Value::Table out;
    for (const auto& [key, node] : entries) {
      out.push_back({std::string(key->str()), node_at(*node, place(key->source()), depth + 1)});
    }
    return Value(std::move(out), std::move(origin));
  }

 private:
  [[nodiscard]] Origin place(const toml::source_region& region) const {
    return {file_, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column), {}};
  }

  [[nodiscard]] Value list(const toml::array& source, Origin origin, int depth) const {
    Value::List out;
    for (const toml::node& item : source) {
      out.push_back(node_at(item, place(item.source()), depth + 1));
    }
    return Value(std::move(out), std::move(origin));
  }

  [[nodiscard]] Value node_at(const toml::node& node, Origin origin, int depth) const {
    if (depth > kMaxDepth) {
      throw config_error(
          origin.where(), "nested more than ", kMaxDepth, " levels deep; nest less deeply");
    }
    switch (node.type()) {
      case toml::node_type::table:
        return table(*node.as_table(), std::move(origin), depth);
      case toml::node_type::array:
        return list(*node.as_array(), std::move(origin), depth);
      case toml::node_type::boolean:
        return Value(node.as_boolean()->get(), std::move(origin));
      case toml::node_type::integer:
        return Value(node.as_integer()->get(), std::move(origin));
      case toml::node_type::floating_point:
        return Value(node.as_floating_point()->get(), std::move(origin));
      case toml::node_type::string:
        return Value(node.as_string()->get(), std::move(origin));
      default:
        throw config_error(
            origin.where(),
            "dates and times are not part of a configuration; put the value in quotes");
    }
  }

  const std::string& file_;
};

toml::table parse_document(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    const toml::source_position at = e.source().begin;
    const Origin origin{name, static_cast<int>(at.line), static_cast<int>(at.column), {}};
    throw config_error(origin.where(), "this is not TOML: ", e.description());
  }
}

void place_everywhere(Value& value, const Origin& origin) {
  value.set_origin(origin);
  if (auto* list = std::get_if<Value::List>(&value.data())) {
    for (Value& item : *list) {
      place_everywhere(item, origin);
    }
  } else if (auto* table = std::get_if<Value::Table>(&value.data())) {
    for (Entry& entry : *table) {
      place_everywhere(entry.value, origin);
    }
  }
}

}  // namespace

Value parse_toml(std::string_view text, const std::string& name) {
  check_depth(text, name);
  const toml::table document = parse_document(text, name);
  return Converter(name).table(document, {name, 1, 1, {}}, 0);
}

Value parse_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) {
    throw config_error(file.string(), "this configuration file cannot be opened; check its path");
  }
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return parse_toml(text, file.string());
}

Value parse_toml_value(std::string_view text, const Origin& origin) {
  const std::string line = "value = " + std::string(text);
  try {
    Value document = parse_toml(line, origin.where());
    if (document.size() != 1) {
      throw config_error("", "more than one value");
    }
    Value value = std::move(*document.child("value"));
    place_everywhere(value, origin);
    return value;
  } catch (const Error& e) {
    throw config_error(origin.where(), "`", text, "` is not a TOML value: ", e.message());
  }
}

}  // namespace strata::config
