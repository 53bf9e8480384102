// Reading, changing and comparing of configuration values.
#include "config/value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "strata/cpp/error.hpp"

#include "config/nearest.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

/// "strategy.stage", or "this value" in a tree that has no paths yet, "the configuration" for its
/// root.
std::string name_of(const Value& value) {
  if (!value.path().empty()) {
    return value.path();
  }
  return value.is_table() ? "the configuration" : "this value";
}

/// Item number `segment` of a list, nullptr when it is no number or out of range.
const Value* item_at(const Value::List& list, std::string_view segment) {
  std::size_t index = 0;
  const char* begin = segment.data();
  const char* end = begin + segment.size();
  const auto [ptr, error] = std::from_chars(begin, end, index);
  const bool good = error == std::errc() && ptr == end && index < list.size();
  return good ? &list[index] : nullptr;
}

bool same_tables(const Value::Table& a, const Value::Table& b) {
  if (a.size() != b.size()) {
    return false;
  }
  return std::ranges::all_of(a, [&b](const Entry& entry) {
    const auto other = std::ranges::find(b, entry.key, &Entry::key);
    return other != b.end() && entry.value == other->value;
  });
}

/// A range of bytes.
struct Bytes {
  unsigned low;
  unsigned high;

  [[nodiscard]] constexpr bool contain(char c) const {
    const auto byte = static_cast<unsigned char>(c);
    return low <= byte && byte <= high;
  }
};

/// A kind of UTF-8 character: how many bytes, what the first two can be. Source: RFC 3629 section 4.
struct Utf8Form {
  std::size_t length;
  Bytes first;
  Bytes second;
};

constexpr Bytes kUtf8Tail = {0x80, 0xbf};
constexpr auto kUtf8Forms = std::to_array<Utf8Form>({{1, {0x00, 0x7f}, {}},
                                                     {2, {0xc2, 0xdf}, kUtf8Tail},
                                                     {3, {0xe0, 0xe0}, {0xa0, 0xbf}},
                                                     {3, {0xe1, 0xec}, kUtf8Tail},
                                                     {3, {0xed, 0xed}, {0x80, 0x9f}},
                                                     {3, {0xee, 0xef}, kUtf8Tail},
                                                     {4, {0xf0, 0xf0}, {0x90, 0xbf}},
                                                     {4, {0xf1, 0xf3}, kUtf8Tail},
                                                     {4, {0xf4, 0xf4}, {0x80, 0x8f}}});

/// Length of the UTF-8 character that text, which is not empty, begins with; 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto form = std::ranges::find_if(
      kUtf8Forms, [&text](const Utf8Form& one) { return one.first.contain(text.front()); });
  if (form == kUtf8Forms.end() || text.size() < form->length) {
    return 0;
  }
  for (std::size_t i = 1; i < form->length; ++i) {
    const Bytes& allowed = i == 1 ? form->second : kUtf8Tail;
    if (!allowed.contain(text[i])) {
      return 0;
    }
  }
  return form->length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

void collect_unread(const Value& value, bool implied, std::vector<const Value*>& out) {
  if (!value.was_read() && !implied) {
    out.push_back(&value);
    return;
  }
  if (const auto* list = std::get_if<Value::List>(&value.data())) {
    for (const Value& item : *list) {
      collect_unread(item, true, out);
    }
  } else if (const auto* table = std::get_if<Value::Table>(&value.data())) {
    for (const Entry& entry : *table) {
      collect_unread(entry.value, false, out);
    }
  }
}

}  // namespace

std::string_view kind_name(Kind kind) {
  static constexpr std::array<std::string_view, 6> kNames = {
      "a bool", "an integer", "a float", "a text", "a list", "a table"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Value::Value() : data_(Table{}) {}

Value::Value(Data data, Origin origin) : data_(std::move(data)), origin_(std::move(origin)) {}

std::size_t Value::size() const {
  if (const auto* list = std::get_if<List>(&data_)) {
    return list->size();
  }
  const auto* table = std::get_if<Table>(&data_);
  return table == nullptr ? 0 : table->size();
}

bool Value::as_bool() const {
  read_ = true;
  const auto* value = std::get_if<bool>(&data_);
  return value != nullptr ? *value : (refuse("true or false"), false);
}

std::int64_t Value::as_int() const {
  read_ = true;
  if (const auto* value = std::get_if<std::int64_t>(&data_)) {
    return *value;
  }
  constexpr double kLimit = 9223372036854775808.0;  // 2^63, the first that does not fit
  const auto* value = std::get_if<double>(&data_);
  if (value == nullptr || !(*value >= -kLimit && *value < kLimit) || std::trunc(*value) != *value) {
    refuse("an integer");
  }
  return static_cast<std::int64_t>(*value);
}

double Value::as_float() const {
  read_ = true;
  if (const auto* value = std::get_if<std::int64_t>(&data_)) {
    return static_cast<double>(*value);
  }
  const auto* value = std::get_if<double>(&data_);
  return value != nullptr ? *value : (refuse("a float"), 0.0);
}

const std::string& Value::as_text() const {
  read_ = true;
  const auto* value = std::get_if<std::string>(&data_);
  if (value == nullptr) {
    refuse("a text");
  }
  return *value;
}

const Value::List& Value::as_list() const {
  read_ = true;
  const auto* value = std::get_if<List>(&data_);
  if (value == nullptr) {
    refuse("a list");
  }
  return *value;
}

const Value::Table& Value::as_table() const {
  read_ = true;
  const auto* value = std::get_if<Table>(&data_);
  if (value == nullptr) {
    refuse("a table");
  }
  return *value;
}

const Value* Value::find(std::string_view path) const {
  const Value* value = this;
  for (const std::string& segment : split_path(path)) {
    value = value->step(segment);
    if (value == nullptr) {
      return nullptr;
    }
    value->read_ = true;
  }
  return value;
}

const Value& Value::at(std::string_view path) const {
  const Value* value = this;
  for (const std::string& segment : split_path(path)) {
    const Value* next = value->step(segment);
    if (next == nullptr) {
      throw config_error(value->where(),
                         "the key \"",
                         segment,
                         "\" is missing in ",
                         name_of(*value),
                         did_you_mean(segment, value->keys()));
    }
    value = next;
    value->read_ = true;
  }
  return *value;
}

const Value* Value::child(std::string_view key) const {
  const auto* table = std::get_if<Table>(&data_);
  if (table == nullptr) {
    return nullptr;
  }
  const auto found = std::ranges::find(*table, key, &Entry::key);
  return found == table->end() ? nullptr : &found->value;
}

Value* Value::child(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).child(key));
}

const Value* Value::step(std::string_view segment) const {
  const auto* list = std::get_if<List>(&data_);
  return list != nullptr ? item_at(*list, segment) : child(segment);
}

Value* Value::step(std::string_view segment) {
  return const_cast<Value*>(std::as_const(*this).step(segment));
}

std::vector<std::string_view> Value::keys() const {
  std::vector<std::string_view> out;
  if (const auto* table = std::get_if<Table>(&data_)) {
    for (const Entry& entry : *table) {
      out.emplace_back(entry.key);
    }
  }
  return out;
}

Value& Value::set(std::string key, Value value) {
  if (Value* existing = child(key)) {
    *existing = std::move(value);
    return *existing;
  }
  auto* table = std::get_if<Table>(&data_);
  if (table == nullptr) {
    refuse("a table");
  }
  table->push_back({std::move(key), std::move(value)});
  return table->back().value;
}

bool Value::erase(std::string_view key) {
  auto* table = std::get_if<Table>(&data_);
  return table != nullptr &&
         std::erase_if(*table, [key](const Entry& entry) { return entry.key == key; }) > 0;
}

void Value::mark_all_read() const {
  read_ = true;
  if (const auto* list = std::get_if<List>(&data_)) {
    for (const Value& item : *list) {
      item.mark_all_read();
    }
  } else if (const auto* table = std::get_if<Table>(&data_)) {
    for (const Entry& entry : *table) {
      entry.value.mark_all_read();
    }
  }
}

void Value::refuse(std::string_view wanted) const {
  std::string shown;
  if (const auto* text = std::get_if<std::string>(&data_)) {
    shown = fmt::format(" {}", quote_text(*text));
  } else if (const auto* number = std::get_if<double>(&data_)) {
    shown = fmt::format(" ({})", *number);
  }
  throw config_error(
      where(), name_of(*this), " must be ", wanted, ", found ", kind_name(kind()), shown);
}

void Value::out_of_range(std::int64_t low, std::uint64_t high) const {
  throw config_error(
      where(), name_of(*this), " = ", as_int(), " does not fit; use ", low, " to ", high);
}

void Value::seal_below(std::string path, int depth) {
  path_ = std::move(path);
  read_ = false;
  if (depth > kMaxDepth) {
    throw config_error(where(), "nested more than ", kMaxDepth, " levels deep; nest less deeply");
  }
  if (const auto* text = std::get_if<std::string>(&data_); text != nullptr && !is_utf8(*text)) {
    throw config_error(where(), name_of(*this), " is not UTF-8 text; encode it as UTF-8");
  }
  if (auto* list = std::get_if<List>(&data_)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      (*list)[i].seal_below(join_path(path_, std::to_string(i)), depth + 1);
    }
  } else if (auto* table = std::get_if<Table>(&data_)) {
    for (Entry& entry : *table) {
      if (!is_utf8(entry.key)) {
        throw config_error(entry.value.where(), "a key in ", name_of(*this), " is not UTF-8 text");
      }
      entry.value.seal_below(join_path(path_, entry.key), depth + 1);
    }
  }
}

void seal(Value& root) {
  root.seal_below({}, 0);
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) {
    return false;
  }
  if (const auto* table = std::get_if<Value::Table>(&a.data_)) {
    return same_tables(*table, std::get<Value::Table>(b.data_));
  }
  if (const auto* x = std::get_if<double>(&a.data_)) {
    const double y = std::get<double>(b.data_);
    return *x == y || (std::isnan(*x) && std::isnan(y));
  }
  if (const auto* list = std::get_if<Value::List>(&a.data_)) {
    return *list == std::get<Value::List>(b.data_);
  }
  if (const auto* text = std::get_if<std::string>(&a.data_)) {
    return *text == std::get<std::string>(b.data_);
  }
  if (const auto* number = std::get_if<std::int64_t>(&a.data_)) {
    return *number == std::get<std::int64_t>(b.data_);
  }
  return std::get<bool>(a.data_) == std::get<bool>(b.data_);
}

std::vector<const Value*> unread(const Value& root) {
  std::vector<const Value*> out;
  collect_unread(root, true, out);
  return out;
}

}  // namespace strata::config
