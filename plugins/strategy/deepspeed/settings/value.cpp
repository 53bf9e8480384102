// Reading values, and the run's configuration as values.
#include "value.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "strata/cpp/json.hpp"

namespace strata::deepspeed {
namespace {

constexpr double kExact = 9007199254740992.0;  // 2^53: integers up to here are exact doubles

Value::Data data_of(const Node& node, const std::string& path);

Value value_of(const Node& node, const std::string& path) {
  return {data_of(node, path), node.where(), path};
}

Value::Data data_of(const Node& node, const std::string& path) {
  switch (node.kind()) {
    case STRATA_NODE_BOOL:
      return node.as_bool();
    case STRATA_NODE_INT:
      return node.as_int();
    case STRATA_NODE_FLOAT:
      return node.as_float();
    case STRATA_NODE_TEXT:
      return node.as_text();
    case STRATA_NODE_LIST: {
      Value::List list;
      for (uint64_t i = 0; i < node.size(); ++i) {
        list.push_back(value_of(node.entry(i).second, joined(path, std::to_string(i))));
      }
      return list;
    }
    default:
      break;
  }
  Value::Table table;
  for (uint64_t i = 0; i < node.size(); ++i) {
    const auto [key, entry] = node.entry(i);
    table.push_back({key, value_of(entry, joined(path, key))});
  }
  return table;
}

// As TOML and JSON both write a text: controls are escaped alike.
std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  return bare ? key : json_text(key);
}

std::string toml_float(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  return json_float(value);
}

std::string list_as_toml(const Value::List& list) {
  std::string out;
  for (const Value& item : list) {
    out += (out.empty() ? "" : ", ") + item.to_toml();
  }
  return "[" + out + "]";
}

std::string table_as_toml(const Value::Table& table) {
  std::string out;
  for (const Value::Entry& entry : table) {
    if (!entry.value.is_null()) {
      out += (out.empty() ? "" : ", ") + toml_key(entry.key) + " = " + entry.value.to_toml();
    }
  }
  return "{" + out + "}";
}

}  // namespace

std::string joined(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : text(path, '.', key);
}

Value from_node(const Node& table) {
  Value out = value_of(table, "");
  table.mark_read();
  out.erase("type");
  out.erase("plugin");
  return out;
}

void Value::refuse(std::string_view wanted) const {
  throw config_error(where, path, " must be ", wanted, ", found ", shown());
}

bool Value::as_bool() const {
  if (const bool* value = std::get_if<bool>(&data)) {
    return *value;
  }
  refuse("true or false");
}

std::optional<double> Value::number() const {
  if (const auto* integer = std::get_if<int64_t>(&data)) {
    return static_cast<double>(*integer);
  }
  if (const auto* real = std::get_if<double>(&data)) {
    return *real;
  }
  if (const auto* words = std::get_if<std::string>(&data)) {
    double value = 0;
    const auto [end, error] = std::from_chars(words->data(), words->data() + words->size(), value);
    if (error == std::errc() && end == words->data() + words->size()) {
      return value;
    }
  }
  return std::nullopt;
}

int64_t Value::as_int() const {
  if (const auto* integer = std::get_if<int64_t>(&data)) {
    return *integer;
  }
  const std::optional<double> value = number();
  if (!value || std::trunc(*value) != *value || std::fabs(*value) > kExact) {
    refuse("an integer");
  }
  return static_cast<int64_t>(*value);
}

double Value::as_float() const {
  const std::optional<double> value = number();
  if (!value) {
    refuse("a number");
  }
  return *value;
}

const std::string& Value::as_text() const {
  if (!is_text()) {
    refuse("a text");
  }
  return std::get<std::string>(data);
}

std::vector<std::string> Value::as_names() const {
  if (is_text()) {
    return {as_text()};
  }
  if (!is_list()) {
    refuse("a text or a list of texts");
  }
  std::vector<std::string> out;
  for (const Value& item : as_list()) {
    out.push_back(item.as_text());
  }
  return out;
}

const Value::List& Value::as_list() const {
  if (!is_list()) {
    refuse("a list");
  }
  return std::get<List>(data);
}

const Value::Table& Value::as_table() const {
  if (!is_table()) {
    refuse("a table");
  }
  return std::get<Table>(data);
}

const Value* Value::find(std::string_view key) const {
  if (!is_table()) {
    return nullptr;
  }
  for (const Entry& entry : std::get<Table>(data)) {
    if (entry.key == key) {
      return entry.value.is_null() ? nullptr : &entry.value;
    }
  }
  return nullptr;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

void Value::set(std::string_view key, Value value) {
  erase(key);
  std::get<Table>(data).push_back({std::string(key), std::move(value)});
}

void Value::erase(std::string_view key) {
  std::erase_if(std::get<Table>(data), [key](const Entry& entry) { return entry.key == key; });
}

std::string Value::shown() const {
  if (is_table()) {
    return "a table";
  }
  return is_list() ? "a list" : is_null() ? "null" : to_toml();
}

std::string Value::to_toml() const {
  if (const bool* flag = std::get_if<bool>(&data)) {
    return *flag ? "true" : "false";
  }
  if (const auto* integer = std::get_if<int64_t>(&data)) {
    return std::to_string(*integer);
  }
  if (const auto* real = std::get_if<double>(&data)) {
    return toml_float(*real);
  }
  if (is_text()) {
    return json_text(as_text());
  }
  return is_list() ? list_as_toml(as_list()) : table_as_toml(as_table());
}

std::string lower(std::string words) {
  std::ranges::transform(
      words, words.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return words;
}

}  // namespace strata::deepspeed
