// Looking keys up and checking what they are given.
#include "keys.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <tuple>

#include "strata/kit/nearest.hpp"

#include "json_file.hpp"

namespace strata::deepspeed {
namespace {

std::vector<Key> all_rows() {
  std::vector<Key> all;
  for (std::vector<Key> some : {rows::top_level(),
                                rows::logs_and_others(),
                                rows::precision(),
                                rows::zero(),
                                rows::offload(),
                                rows::tools(),
                                rows::parallelism()}) {
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

double bound(std::string_view words) {
  if (words == "inf") {
    return std::numeric_limits<double>::infinity();
  }
  double value = 0;
  std::from_chars(words.data(), words.data() + words.size(), value);
  return value;
}

/// range: "[0, 3]", "(0, inf)".
bool in_range(std::string_view range, double value) {
  const size_t comma = range.find(", ");
  const double low = bound(range.substr(1, comma - 1));
  const double high = bound(range.substr(comma + 2, range.size() - comma - 3));
  const bool above = range.front() == '[' ? value >= low : value > low;
  const bool below = range.back() == ']' ? value <= high : value < high;
  return above && below;
}

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// In any letter case, as DeepSpeed takes them.
bool is_choice(std::string_view choices, std::string_view value) {
  for (size_t from = 0; from <= choices.size();) {
    const size_t to = std::min(choices.find('|', from), choices.size());
    if (same_letters(choices.substr(from, to - from), value)) {
      return true;
    }
    from = to + 1;
  }
  return false;
}

bool is_range(std::string_view allowed) {
  return allowed.front() == '[' || allowed.front() == '(';
}

void check_kind(Kind kind, const Value& value) {
  switch (kind) {
    case Kind::kBool:
      std::ignore = value.as_bool();
      return;
    case Kind::kInt:
      std::ignore = value.as_int();
      return;
    case Kind::kFloat:
      std::ignore = value.as_float();
      return;
    case Kind::kText:
      std::ignore = value.as_text();
      return;
    case Kind::kNames:
      std::ignore = value.as_names();
      return;
    case Kind::kTable:
      std::ignore = value.as_table();
      return;
    case Kind::kAny:
      return;
  }
}

/// off: what the table must say to be off; an empty one allows nothing else.
bool is_off(const Value& off, const Value& table) {
  if (off.as_table().empty()) {
    return table.as_table().empty();
  }
  return std::ranges::all_of(off.as_table(), [&](const Value::Entry& entry) {
    const Value* given = table.find(entry.key);
    return given == nullptr || given->as_bool() == entry.value.as_bool();
  });
}

}  // namespace

std::span<const Key> keys() {
  static const std::vector<Key> all = all_rows();
  return all;
}

const Key* find_key(std::string_view section, std::string_view name) {
  const auto all = keys();
  const auto it = std::ranges::find_if(
      all, [&](const Key& key) { return key.section == section && key.name == name; });
  return it == all.end() ? nullptr : &*it;
}

std::optional<std::string_view> nearest_key(std::string_view section, std::string_view name) {
  std::vector<std::string_view> known;
  for (const Key& key : keys()) {
    if (key.section == section) {
      known.emplace_back(key.name);
    }
  }
  const std::string_view best = kit::nearest(name, known);
  return best.empty() ? std::nullopt : std::optional(best);
}

void check_value(const Key& key, const Value& value) {
  check_kind(key.kind, value);
  const std::string_view allowed = key.allowed;
  if (allowed.empty()) {
    return;
  }
  const bool fits =
      is_range(allowed) ? in_range(allowed, value.as_float()) : is_choice(allowed, value.as_text());
  if (!fits) {
    throw config_error(value.where,
                       value.path,
                       " = ",
                       value.shown(),
                       is_range(allowed) ? " must lie in " : " must be one of ",
                       allowed);
  }
}

bool is_default(const Key& key, const Value& value) {
  const std::string fallback = key.fallback;
  if (fallback.empty()) {
    return false;
  }
  const Value wanted = *parse_json("{\"x\": " + fallback + "}", "").find("x");
  if (key.kind == Kind::kTable) {
    return is_off(wanted, value);
  }
  if (key.kind == Kind::kInt || key.kind == Kind::kFloat) {
    return value.as_float() == wanted.as_float();
  }
  return value.to_toml() == wanted.to_toml();
}

}  // namespace strata::deepspeed
