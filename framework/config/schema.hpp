// Checking tables against lists of fields: the host's own sections and every plugin type's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/core.h"

#include "config/value.hpp"

namespace strata::config {

/// One key that a table may have. The host-side owner of what strata_field views.
struct FieldSpec {
  std::string name;
  std::int32_t kind = STRATA_FIELD_NODE;  // STRATA_FIELD_*
  std::string doc;
  std::string default_text;  // as in TOML; empty: no default
  /// "a|b|c" or a range, for each item of a list kind. For STRATA_FIELD_NODE the kinds it may have,
  /// of bool|int|float|text|list|table.
  std::string allowed;
  bool required = false;
  /// Not empty: a table here, and each table of a list here, is checked against these.
  std::vector<FieldSpec> fields;

  /// Copies a plugin's field. Errors: STRATA_E_ARGUMENT for an unknown kind.
  static FieldSpec from_abi(const strata_field& field);
};

/// The fields of one table.
struct Schema {
  std::string title;  // "the configuration", "DeepSpeedStrategy": for messages
  std::vector<FieldSpec> fields;
};

/// Problems found in one or several tables, to be reported together.
class Problems {
 public:
  void add(const Origin& origin, std::string message);

  [[nodiscard]] bool empty() const { return found_.empty(); }

  [[nodiscard]] std::size_t size() const { return found_.size(); }

  /// Throws them as one STRATA_E_CONFIG, each on a line of its own with its place; the error's
  /// place is the first's.
  void throw_if_any() const;

 private:
  struct Problem {
    std::string where;
    std::string message;
  };

  std::vector<Problem> found_;
};

/// What a check is about, for messages, and which keys it lets pass beside the fields and `type`.
struct CheckOptions {
  std::string title;
  std::span<const std::string_view> also_allowed = {};
};

/// Adds to `problems`: unknown keys (with the nearest known), wrong types, values out of the
/// allowed ones, missing required keys. Marks nothing as read. Errors: STRATA_E_ARGUMENT for a
/// field whose `allowed` cannot be read.
void find_problems(const Value& table,
                   std::span<const FieldSpec> fields,
                   const CheckOptions& options,
                   Problems& problems);

/// Throws everything find_problems finds.
void check_fields(const Value& table,
                  std::span<const FieldSpec> fields,
                  const CheckOptions& options = {});
void check(const Value& table, const Schema& schema);

/// Adds the fields' defaults to a table where a key is absent, with origin "default"; subtables
/// that exist included. Errors: STRATA_E_ARGUMENT for a default that is no TOML value of its kind.
void add_defaults(Value& table, std::span<const FieldSpec> fields);

}  // namespace strata::config
