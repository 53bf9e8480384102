// One value of the configuration: bool, integer, float, text, list or table, with the place it came
// from.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "strata/abi/host.h"

#include "config/origin.hpp"

namespace strata::config {

/// Numbered as STRATA_NODE_*, and in the order of Value::Data.
enum class Kind : std::int32_t {
  kBool = STRATA_NODE_BOOL,
  kInt = STRATA_NODE_INT,
  kFloat = STRATA_NODE_FLOAT,
  kText = STRATA_NODE_TEXT,
  kList = STRATA_NODE_LIST,
  kTable = STRATA_NODE_TABLE
};

/// "a bool", "an integer", "a float", "a text", "a list", "a table": for messages.
std::string_view kind_name(Kind kind);

struct Entry;

/// A tree node. Copies are deep; equality compares the values alone, ignores the order of keys and
/// holds between NaNs. An absent key is the only "none".
///
/// A node's address is stable while the tree is not changed and its root not moved, so loaded trees
/// are handed across the plugin border as they are.
/// Errors of every reader: STRATA_E_CONFIG with the key, its place, the wanted and the found type.
/// Thread: reading marks nodes as read, so one tree belongs to one thread.
class Value {
 public:
  using List = std::vector<Value>;
  using Table = std::vector<Entry>;  // in the order of the file
  using Data = std::variant<bool, std::int64_t, double, std::string, List, Table>;

  Value();  // an empty table
  explicit Value(Data data, Origin origin = {});

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(data_.index()); }

  [[nodiscard]] bool is_table() const { return kind() == Kind::kTable; }

  [[nodiscard]] bool is_list() const { return kind() == Kind::kList; }

  [[nodiscard]] bool is_text() const { return kind() == Kind::kText; }

  [[nodiscard]] const Origin& origin() const { return origin_; }

  [[nodiscard]] std::string where() const { return origin_.where(); }

  /// Dotted path from the root of the tree it was sealed in; empty for the root.
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Entries of a table or list, else 0.
  [[nodiscard]] std::size_t size() const;

  /// The value itself; marks it as read. A float of integral value is an integer, an integer a
  /// float.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] std::int64_t as_int() const;
  [[nodiscard]] double as_float() const;
  [[nodiscard]] const std::string& as_text() const;
  [[nodiscard]] const List& as_list() const;
  [[nodiscard]] const Table& as_table() const;

  /// bool, an integer type (range checked), double, std::string, or a std::vector of these.
  template <class T>
  [[nodiscard]] T as() const;

  /// The value at a dotted path, nullptr when absent. List items go by number. Marks what it passes
  /// as read.
  [[nodiscard]] const Value* find(std::string_view path) const;
  /// As find, but an absent key is an error that names the nearest key there is.
  [[nodiscard]] const Value& at(std::string_view path) const;

  template <class T>
  [[nodiscard]] T get(std::string_view path) const {
    return at(path).as<T>();
  }

  template <class T>
  [[nodiscard]] T get_or(std::string_view path, T fallback) const {
    const Value* value = find(path);
    return value == nullptr ? std::move(fallback) : value->as<T>();
  }

  template <class T>
  [[nodiscard]] std::optional<T> get_optional(std::string_view path) const {
    const Value* value = find(path);
    return value == nullptr ? std::nullopt : std::optional<T>(value->as<T>());
  }

  /// The entry of a table under exactly this key, nullptr when absent or not a table. Marks
  /// nothing.
  [[nodiscard]] const Value* child(std::string_view key) const;
  [[nodiscard]] Value* child(std::string_view key);
  /// One key of a table or one item number of a list further down, nullptr when there is none.
  /// Marks nothing.
  [[nodiscard]] const Value* step(std::string_view segment) const;
  [[nodiscard]] Value* step(std::string_view segment);
  /// The keys of a table, else nothing.
  [[nodiscard]] std::vector<std::string_view> keys() const;

  /// Adds or replaces an entry of a table and returns it. Invalidates addresses inside this table.
  Value& set(std::string key, Value value);
  /// Removes an entry of a table; false when there was none.
  bool erase(std::string_view key);

  void set_origin(Origin origin) { origin_ = std::move(origin); }

  /// Unchecked: for code that switches on kind().
  [[nodiscard]] const Data& data() const { return data_; }

  [[nodiscard]] Data& data() { return data_; }

  [[nodiscard]] bool was_read() const { return read_; }

  void mark_read() const { read_ = true; }

  /// With all below it.
  void mark_all_read() const;

  friend bool operator==(const Value& a, const Value& b);
  friend void seal(Value& root);

 private:
  [[noreturn]] void refuse(std::string_view wanted) const;
  [[noreturn]] void out_of_range(std::int64_t low, std::uint64_t high) const;
  void seal_below(std::string path, int depth);

  Data data_;
  Origin origin_;
  std::string path_;
  mutable bool read_ = false;
};

struct Entry {
  std::string key;
  Value value;
};

/// Gives every node its dotted path and calls it unread. Errors: deeper than kMaxDepth; text or a
/// key that is not UTF-8.
void seal(Value& root);

/// The topmost values that nobody has read, in the order of the tree. Scalars in a list that was
/// read count as read.
std::vector<const Value*> unread(const Value& root);

namespace detail {

template <class T>
struct ListItem {};

template <class T>
struct ListItem<std::vector<T>> {
  using Type = T;
};

}  // namespace detail

template <class T>
T Value::as() const {
  if constexpr (std::same_as<T, bool>) {
    return as_bool();
  } else if constexpr (std::integral<T>) {
    const std::int64_t value = as_int();
    if (!std::in_range<T>(value)) {
      out_of_range(static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                   static_cast<std::uint64_t>(std::numeric_limits<T>::max()));
    }
    return static_cast<T>(value);
  } else if constexpr (std::same_as<T, double>) {
    return as_float();
  } else if constexpr (std::same_as<T, std::string>) {
    return as_text();
  } else {
    T out;
    for (const Value& item : as_list()) {
      out.push_back(item.as<typename detail::ListItem<T>::Type>());
    }
    return out;
  }
}

}  // namespace strata::config
