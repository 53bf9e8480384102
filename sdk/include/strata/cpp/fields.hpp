// Configuration keys of a plugin type: one `field` line parses, documents and describes a member of its Config.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata {
namespace detail {

template <class V>
struct FieldType;

template <>
struct FieldType<bool> {
  static constexpr int32_t kKind = STRATA_FIELD_BOOL;

  static bool read(const Node& n) { return n.as_bool(); }

  static std::string show(bool v) { return v ? "true" : "false"; }
};

template <class I>
  requires std::is_integral_v<I>
struct FieldType<I> {
  static constexpr int32_t kKind = STRATA_FIELD_INT;

  static I read(const Node& n) { return static_cast<I>(n.as_int()); }

  static std::string show(I v) { return std::to_string(v); }
};

template <>
struct FieldType<double> {
  static constexpr int32_t kKind = STRATA_FIELD_FLOAT;

  static double read(const Node& n) { return n.as_float(); }

  static std::string show(double v) { return text(v); }
};

template <>
struct FieldType<std::string> {
  static constexpr int32_t kKind = STRATA_FIELD_TEXT;

  static std::string read(const Node& n) { return n.as_text(); }

  static std::string show(const std::string& v) { return '"' + v + '"'; }
};

template <>
struct FieldType<Node> {
  static constexpr int32_t kKind = STRATA_FIELD_NODE;

  static Node read(const Node& n) { return n; }

  static std::string show(const Node&) { return {}; }
};

template <class V>
struct FieldType<std::optional<V>> {
  static constexpr int32_t kKind = FieldType<V>::kKind;

  static std::optional<V> read(const Node& n) { return FieldType<V>::read(n); }

  static std::string show(const std::optional<V>& v) {
    return v ? FieldType<V>::show(*v) : std::string();
  }
};

template <class V>
struct FieldType<std::vector<V>> {
  static constexpr int32_t kKind = STRATA_FIELD_INT_LIST + (FieldType<V>::kKind - STRATA_FIELD_INT);

  static std::vector<V> read(const Node& n) {
    std::vector<V> out;
    out.reserve(n.size());
    for (uint64_t i = 0; i < n.size(); ++i) {
      out.push_back(FieldType<V>::read(n.entry(i).second));
    }
    return out;
  }

  static std::string show(const std::vector<V>& v) {
    std::string out = "[";
    for (const V& item : v) {
      out += (out.size() > 1 ? ", " : "") + FieldType<V>::show(item);
    }
    return out + "]";
  }
};

}  // namespace detail

/// The texts behind one strata_field.
struct STRATA_HIDDEN FieldText {
  std::string name;
  std::string doc;
  std::string default_text;
  std::string allowed;
  int32_t kind = 0;
  bool required = false;

  [[nodiscard]] strata_field c() const {
    return {view(name), view(doc), view(default_text), view(allowed), kind, required ? 1 : 0};
  }
};

/// The fields of one Config struct.
template <class Config>
class STRATA_HIDDEN Fields {
 public:
  /// allowed: "a|b|c" or a range "[0, 1]", "(0, inf)"; checked by the host before create().
  template <class Base, class V>
  void add(
      std::string name, V Base::* member, std::string doc, std::string allowed, bool required) {
    Config defaults{};
    FieldText field{std::move(name),
                    std::move(doc),
                    {},
                    std::move(allowed),
                    detail::FieldType<V>::kKind,
                    required};
    if (!required) {
      field.default_text = detail::FieldType<V>::show(defaults.*member);
    }
    const std::string key = field.name;
    texts_.push_back(std::move(field));
    readers_.push_back([key, member](const Node& table, Config& config) {
      if (const Node value = table.find(key)) {
        config.*member = detail::FieldType<V>::read(value);
      }
    });
  }

  /// A key of any kind that nothing is read from here; see hand_over().
  void describe(std::string name, std::string doc) {
    texts_.push_back({std::move(name), std::move(doc), {}, {}, STRATA_FIELD_NODE, false});
  }

  /// The whole table goes to a member, for a type that reads its keys itself.
  template <class Base>
  void hand_over(Node Base::* member) {
    readers_.push_back([member](const Node& table, Config& config) { config.*member = table; });
  }

  [[nodiscard]] Config read(const Node& table) const {
    Config config{};
    for (const auto& reader : readers_) {
      reader(table, config);
    }
    return config;
  }

  [[nodiscard]] const std::vector<FieldText>& texts() const { return texts_; }

 private:
  std::vector<FieldText> texts_;
  std::vector<std::function<void(const Node&, Config&)>> readers_;
};

}  // namespace strata
