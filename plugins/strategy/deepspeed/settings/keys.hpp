// The table of all keys: what DeepSpeed calls them, what they may be and what becomes of them.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "config.hpp"
#include "value.hpp"

namespace strata::deepspeed {

enum class Fate {
  kHonoured,  // read into DeepSpeedConfig
  kIgnored,   // accepted; a warning says why it does nothing, unless it has its default
  kUnused,    // accepted without a word: it belongs to something that is off
  kRefused,   // accepted with its default only, else an error says why
  kRenamed,   // an old name: read as `target`, with a warning
  kAlias,     // another name: read as `target`
  kSection    // a table with keys of its own
};

enum class Kind { kBool, kInt, kFloat, kText, kNames, kTable, kAny };

struct STRATA_HIDDEN Key {
  const char* section;  // "" is the top level, "zero_optimization.offload_param" a nested one
  const char* name;
  Kind kind;
  const char* fallback;  // default as JSON; "": none
  const char* allowed;   // "a|b", or a range "[0, 3]", "(0, inf)"; "": anything
  Fate fate;
  const char* note;  // what it means, or why it does nothing or is refused
  std::function<void(DeepSpeedConfig&, const Value&)> set = {};
  const char* target = "";  // of kRenamed and kAlias: its name in the same section
};

/// All keys, by section.
std::span<const Key> keys();

/// nullptr when there is none.
const Key* find_key(std::string_view section, std::string_view name);

/// The closest name of a section, if one is close.
std::optional<std::string_view> nearest_key(std::string_view section, std::string_view name);

/// Errors: STRATA_E_CONFIG when the value is not of the key's kind or not one of the allowed.
void check_value(const Key& key, const Value& value);

/// Whether it says no more than leaving the key out.
bool is_default(const Key& key, const Value& value);

// --- rows

namespace rows {

inline constexpr const char* kZero = "zero_optimization";
inline constexpr const char* kOff = "of a section that is off";

template <class T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return Kind::kBool;
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return Kind::kInt;
  } else if constexpr (std::is_same_v<T, double>) {
    return Kind::kFloat;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Kind::kText;
  } else {
    static_assert(std::is_same_v<T, std::vector<std::string>>);
    return Kind::kNames;
  }
}

template <class T>
T read(const Value& value) {
  constexpr Kind kKind = kind_of<T>();
  if constexpr (kKind == Kind::kBool) {
    return value.as_bool();
  } else if constexpr (kKind == Kind::kInt) {
    return value.as_int();
  } else if constexpr (kKind == Kind::kFloat) {
    return value.as_float();
  } else if constexpr (kKind == Kind::kText) {
    return value.as_text();
  } else {
    return value.as_names();
  }
}

template <class T>
struct Unwrapped {
  using Type = T;
};

template <class T>
struct Unwrapped<std::optional<T>> {
  using Type = T;
};

/// access: from a DeepSpeedConfig& to the member that the key is read into.
template <class Access>
Key honoured(const char* section,
             const char* name,
             const char* fallback,
             const char* allowed,
             const char* note,
             Access access) {
  using Member = std::remove_reference_t<decltype(access(std::declval<DeepSpeedConfig&>()))>;
  using T = typename Unwrapped<Member>::Type;
  return {
      section,
      name,
      kind_of<T>(),
      fallback,
      allowed,
      Fate::kHonoured,
      note,
      [access](DeepSpeedConfig& config, const Value& value) { access(config) = read<T>(value); }};
}

inline Key ignored(
    const char* section, const char* name, Kind kind, const char* fallback, const char* note) {
  return {section, name, kind, fallback, "", Fate::kIgnored, note};
}

inline Key unused(
    const char* section, const char* name, Kind kind, const char* fallback, const char* note) {
  return {section, name, kind, fallback, "", Fate::kUnused, note};
}

inline Key refused(
    const char* section, const char* name, Kind kind, const char* fallback, const char* note) {
  return {section, name, kind, fallback, "", Fate::kRefused, note};
}

inline Key renamed(const char* section, const char* name, const char* target) {
  return {section, name, Kind::kAny, "", "", Fate::kRenamed, "an old name", {}, target};
}

inline Key alias(const char* section, const char* name, const char* target) {
  return {section, name, Kind::kAny, "", "", Fate::kAlias, "the name without stage3_", {}, target};
}

inline Key section(const char* parent, const char* name, const char* note) {
  return {parent, name, Kind::kTable, "", "", Fate::kSection, note};
}

std::vector<Key> top_level();
std::vector<Key> logs_and_others();
std::vector<Key> precision();
std::vector<Key> zero();
std::vector<Key> offload();
std::vector<Key> tools();
std::vector<Key> parallelism();

}  // namespace rows
}  // namespace strata::deepspeed
