// Checks of tables, and defaults.
#include "config/schema.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "strata/cpp/error.hpp"

#include "config/allowed.hpp"
#include "config/dump.hpp"
#include "config/nearest.hpp"
#include "config/parse.hpp"
#include "config/path.hpp"

namespace strata::config {
namespace {

constexpr std::array<std::string_view, 6> kNodeNames = {
    "bool", "int", "float", "text", "list", "table"};

bool is_list_kind(std::int32_t kind) {
  return kind >= STRATA_FIELD_INT_LIST && kind <= STRATA_FIELD_TEXT_LIST;
}

/// The scalar kind of a list kind's items.
std::int32_t item_kind(std::int32_t kind) {
  return kind - STRATA_FIELD_INT_LIST + STRATA_FIELD_INT;
}

std::string_view wanted_name(std::int32_t kind) {
  static constexpr std::array<std::string_view, 8> kNames = {"true or false",
                                                             "an integer",
                                                             "a float",
                                                             "a text",
                                                             "a list of integers",
                                                             "a list of floats",
                                                             "a list of texts",
                                                             "any value"};
  return kNames.at(static_cast<std::size_t>(kind));
}

/// 2^63; a float below it and above its negative is converted without loss when it is integral.
bool is_integral(const Value& value) {
  if (value.kind() == Kind::kInt) {
    return true;
  }
  const auto* number = std::get_if<double>(&value.data());
  return number != nullptr && std::trunc(*number) == *number && std::abs(*number) < 0x1p63;
}

bool has_kind(const Value& value, std::int32_t kind) {
  switch (kind) {
    case STRATA_FIELD_BOOL:
      return value.kind() == Kind::kBool;
    case STRATA_FIELD_INT:
      return is_integral(value);
    case STRATA_FIELD_FLOAT:
      return value.kind() == Kind::kInt || value.kind() == Kind::kFloat;
    case STRATA_FIELD_TEXT:
      return value.is_text();
    default:
      return true;
  }
}

double as_number(const Value& value) {
  const auto* integer = std::get_if<std::int64_t>(&value.data());
  return integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value.data());
}

Allowed allowed_of(const FieldSpec& field) {
  try {
    return Allowed::parse(field.allowed);
  } catch (Error& e) {
    e.add_context("while reading the allowed values of the field " + field.name);
    throw;
  }
}

/// One check of one table: what all its helpers need.
class Checker {
 public:
  Checker(const CheckOptions& options, Problems& problems)
      : options_(options), problems_(problems) {}

  void table(const Value& table, std::span<const FieldSpec> fields) {
    for (const Entry& entry : std::get<Value::Table>(table.data())) {
      const auto field = std::ranges::find(fields, entry.key, &FieldSpec::name);
      if (field != fields.end()) {
        value(entry.value, *field, name_in(table, entry.key));
      } else if (!is_also_allowed(entry.key)) {
        unknown(table, entry, fields);
      }
    }
    for (const FieldSpec& field : fields) {
      if (field.required && table.child(field.name) == nullptr) {
        const std::string note = field.doc.empty() ? "" : " (" + field.doc + ")";
        problems_.add(table.origin(),
                      "the required key \"" + field.name + "\" is missing in " + title_of(table) +
                          note + "; add it");
      }
    }
  }

 private:
  [[nodiscard]] bool is_also_allowed(std::string_view key) const {
    return key == "type" ||
           std::ranges::find(options_.also_allowed, key) != options_.also_allowed.end();
  }

  [[nodiscard]] static std::string name_in(const Value& table, const std::string& key) {
    return join_path(table.path(), key);
  }

  /// "strategy.fp16 (DeepSpeedStrategy)".
  [[nodiscard]] std::string title_of(const Value& table) const {
    if (table.path().empty()) {
      return options_.title.empty() ? "the configuration" : options_.title;
    }
    return table.path() + (options_.title.empty() ? "" : " (" + options_.title + ")");
  }

  void unknown(const Value& table, const Entry& entry, std::span<const FieldSpec> fields) {
    std::vector<std::string_view> known;
    for (const FieldSpec& field : fields) {
      known.emplace_back(field.name);
    }
    known.insert(known.end(), options_.also_allowed.begin(), options_.also_allowed.end());
    problems_.add(
        entry.value.origin(),
        "unknown key \"" + entry.key + "\" in " + title_of(table) + did_you_mean(entry.key, known));
  }

  void value(const Value& value, const FieldSpec& field, const std::string& name) {
    if (field.kind == STRATA_FIELD_NODE) {
      return node(value, field, name);
    }
    const Allowed allowed = allowed_of(field);
    if (!is_list_kind(field.kind)) {
      return scalar(value, {field.kind, allowed}, name);
    }
    if (!value.is_list()) {
      problems_.add(value.origin(), wrong_kind(value, wanted_name(field.kind), name));
      return;
    }
    const auto& list = std::get<Value::List>(value.data());
    for (std::size_t i = 0; i < list.size(); ++i) {
      scalar(list[i], {item_kind(field.kind), allowed}, join_path(name, std::to_string(i)));
    }
  }

  void node(const Value& value, const FieldSpec& field, const std::string& name) {
    const std::string_view kind = kNodeNames.at(static_cast<std::size_t>(value.kind()));
    const Allowed allowed = allowed_of(field);
    if (!allowed.has(kind)) {
      problems_.add(
          value.origin(),
          name + " cannot be " + std::string(kind_name(value.kind())) + "; " + allowed.advice());
      return;
    }
    if (!field.fields.empty() && value.is_table()) {
      table(value, field.fields);
    } else if (!field.fields.empty() && value.is_list()) {
      for (const Value& item : std::get<Value::List>(value.data())) {
        if (item.is_table()) {
          table(item, field.fields);
        }
      }
    }
  }

  struct Wanted {
    std::int32_t kind;
    const Allowed& allowed;
  };

  void scalar(const Value& value, const Wanted& wanted, const std::string& name) {
    if (!has_kind(value, wanted.kind)) {
      problems_.add(value.origin(), wrong_kind(value, wanted_name(wanted.kind), name));
      return;
    }
    const auto* text = std::get_if<std::string>(&value.data());
    const bool is_number = wanted.kind == STRATA_FIELD_INT || wanted.kind == STRATA_FIELD_FLOAT;
    const bool good = text != nullptr ? wanted.allowed.has(*text)
                                      : !is_number || wanted.allowed.has_number(as_number(value));
    if (!good) {
      const std::vector<std::string_view> choices(wanted.allowed.choices.begin(),
                                                  wanted.allowed.choices.end());
      const auto best = text != nullptr ? nearest(*text, choices) : std::nullopt;
      problems_.add(value.origin(),
                    name + " = " + format_inline(value) + " is not allowed; " +
                        wanted.allowed.advice() +
                        (best ? " (did you mean \"" + *best + "\"?)" : ""));
    }
  }

  [[nodiscard]] static std::string wrong_kind(const Value& value,
                                              std::string_view wanted,
                                              const std::string& name) {
    std::string found(kind_name(value.kind()));
    if (!value.is_list() && !value.is_table()) {
      found += " (" + format_inline(value) + ")";
    }
    return text(name, " must be ", wanted, ", found ", found);
  }

  const CheckOptions& options_;
  Problems& problems_;
};

Value default_of(const FieldSpec& field) {
  const Origin origin{{}, 0, 0, "default"};
  try {
    Value value = parse_toml_value(field.default_text, origin);
    if (field.kind == STRATA_FIELD_FLOAT && value.kind() == Kind::kInt) {
      value.data() = static_cast<double>(std::get<std::int64_t>(value.data()));
    }
    Value table;
    table.set(field.name, value);
    FieldSpec kind_only = field;
    kind_only.allowed.clear();
    check_fields(table, {&kind_only, 1});
    return value;
  } catch (const Error& e) {
    throw Error(STRATA_E_ARGUMENT,
                "the default of the field " + field.name + " is wrong: " + e.message());
  }
}

}  // namespace

FieldSpec FieldSpec::from_abi(const strata_field& field) {
  const auto copy = [](strata_str s) { return s.n == 0 ? std::string() : std::string(s.p, s.n); };
  if (field.kind < STRATA_FIELD_BOOL || field.kind > STRATA_FIELD_NODE) {
    throw Error(STRATA_E_ARGUMENT,
                text("the field ", copy(field.name), " has the unknown kind ", field.kind));
  }
  return {copy(field.name),
          field.kind,
          copy(field.doc),
          copy(field.default_text),
          copy(field.allowed),
          field.required != 0,
          {}};
}

void Problems::add(const Origin& origin, std::string message) {
  found_.push_back({origin.where(), std::move(message)});
}

void Problems::throw_if_any() const {
  if (found_.empty()) {
    return;
  }
  std::string message = found_.front().message;
  for (std::size_t i = 1; i < found_.size(); ++i) {
    const Problem& problem = found_[i];
    message += text("\n", problem.where, problem.where.empty() ? "" : ": ", problem.message);
  }
  throw config_error(found_.front().where, message);
}

void find_problems(const Value& table,
                   std::span<const FieldSpec> fields,
                   const CheckOptions& options,
                   Problems& problems) {
  if (!table.is_table()) {
    problems.add(table.origin(),
                 (table.path().empty() ? options.title : table.path()) +
                     " must be a table, found " + std::string(kind_name(table.kind())));
    return;
  }
  Checker(options, problems).table(table, fields);
}

void check_fields(const Value& table,
                  std::span<const FieldSpec> fields,
                  const CheckOptions& options) {
  Problems problems;
  find_problems(table, fields, options, problems);
  problems.throw_if_any();
}

void check(const Value& table, const Schema& schema) {
  check_fields(table, schema.fields, {schema.title, {}});
}

void add_defaults(Value& table, std::span<const FieldSpec> fields) {
  for (const FieldSpec& field : fields) {
    Value* existing = table.child(field.name);
    if (existing == nullptr && !field.default_text.empty()) {
      table.set(field.name, default_of(field));
    } else if (existing != nullptr && existing->is_table() && !field.fields.empty()) {
      add_defaults(*existing, field.fields);
    }
  }
}

}  // namespace strata::config
