// A DeepSpeed configuration before it is understood: the same tree whether it came from TOML or
// from a JSON file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::deepspeed {

/// One value with its place. JSON's null is a value that says nothing, as if its key were absent.
///
/// Errors of the readers: STRATA_E_CONFIG naming the key, what it must be and what it is.
struct STRATA_HIDDEN Value {
  struct Entry;
  using List = std::vector<Value>;
  using Table = std::vector<Entry>;  // in the order of the file
  using Data = std::variant<std::monostate, bool, int64_t, double, std::string, List, Table>;

  Data data;
  std::string where;  // "ds_config.json:12", "run.toml:3:7"
  std::string path;   // "zero_optimization.stage"; empty for the root

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(data); }

  [[nodiscard]] bool is_table() const { return std::holds_alternative<Table>(data); }

  [[nodiscard]] bool is_list() const { return std::holds_alternative<List>(data); }

  [[nodiscard]] bool is_text() const { return std::holds_alternative<std::string>(data); }

  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(data); }

  [[nodiscard]] bool is_text(std::string_view text) const {
    return is_text() && std::get<std::string>(data) == text;
  }

  [[nodiscard]] bool as_bool() const;
  /// 500, 5e2 and "500" alike.
  [[nodiscard]] int64_t as_int() const;
  [[nodiscard]] double as_float() const;
  [[nodiscard]] const std::string& as_text() const;
  /// A single text is a list of one.
  [[nodiscard]] std::vector<std::string> as_names() const;
  [[nodiscard]] const List& as_list() const;
  [[nodiscard]] const Table& as_table() const;

  /// The entry of a table, nullptr when it is absent, null or this is no table.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
  /// Adds an entry, or replaces one. This must be a table.
  void set(std::string_view key, Value value);
  void erase(std::string_view key);

  /// `true`, `3`, `"text"`, `a table`: for messages.
  [[nodiscard]] std::string shown() const;
  /// As an inline TOML value; null entries are left out.
  [[nodiscard]] std::string to_toml() const;

 private:
  [[noreturn]] void refuse(std::string_view wanted) const;
  [[nodiscard]] std::optional<double> number() const;
};

struct STRATA_HIDDEN Value::Entry {
  std::string key;
  Value value;
};

/// Copies a table of the run's own configuration and marks all of it as read. `type` and `plugin`
/// of its top level are the host's and left out.
Value from_node(const Node& table);

/// "a.b" of "a" and "b", "b" of "" and "b".
std::string joined(std::string_view path, std::string_view key);

/// ASCII letters in lower case.
std::string lower(std::string words);

}  // namespace strata::deepspeed
