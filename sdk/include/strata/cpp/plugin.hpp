// Turns C++ classes into a plugin: STRATA_PLUGIN(strata::exported<MyHook, MyConfig>("MyHook").field(…), …).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "strata/abi.h"
#include "strata/cpp/fields.hpp"

namespace strata {

/// A Config without keys.
struct STRATA_HIDDEN NoConfig {};

namespace detail {

/// Every kind's base class K specialises it: kName, table().
template <class K>
struct KindOf;

struct STRATA_HIDDEN TypeEntry {
  std::string name;
  std::string kind;
  std::string doc;
  std::vector<FieldText> texts;
  std::vector<strata_field> fields;
  std::function<strata_object(const strata_create_args&)> create;

  void describe(strata_type_desc* out) const {
    *out = {STRATA_HDR(strata_type_desc),
            view(name),
            view(kind),
            view(doc),
            fields.data(),
            fields.size()};
  }
};

STRATA_HIDDEN inline std::vector<TypeEntry>& types() {
  static std::vector<TypeEntry> entries;
  return entries;
}

// The first members of every kind's table, for a kind whose C++ base class is Base.
template <class Base>
struct ObjectThunks {
  static void destroy(void* self) { delete static_cast<Base*>(self); }

  static const void* get_extension(void* self, strata_str id) {
    return static_cast<Base*>(self)->get_extension(view(id));
  }

  template <class Api>
  static constexpr strata_object_api head() {
    return {STRATA_HDR(Api), &destroy, &get_extension};
  }
};

}  // namespace detail

/// A type of a plugin under construction. T derives from its kind's base class (Hook, Strategy, …) and is
/// constructible from const Config& (or from nothing).
template <class T, class Config = NoConfig>
class STRATA_HIDDEN Exported {
 public:
  using Base = typename T::KindBase;

  explicit Exported(std::string name) { entry_.name = std::move(name); }

  Exported& doc(std::string doc) {
    entry_.doc = std::move(doc);
    return *this;
  }

  template <class C, class V>
  Exported& field(std::string name, V C::* member, std::string doc, std::string allowed = {}) {
    fields_.add(std::move(name), member, std::move(doc), std::move(allowed), false);
    return *this;
  }

  template <class C, class V>
  Exported& required(std::string name, V C::* member, std::string doc, std::string allowed = {}) {
    fields_.add(std::move(name), member, std::move(doc), std::move(allowed), true);
    return *this;
  }

  /// Gives the type its table as well: to say where it stands (where()), or to read keys itself. Keys that are read so are
  /// declared by described(), and tables and lists among them marked as read; any other key stays an error.
  template <class C>
  Exported& whole_table(Node C::* member) {
    fields_.hand_over(member);
    return *this;
  }

  Exported& described(std::string name, std::string doc) {
    fields_.describe(std::move(name), std::move(doc));
    return *this;
  }

  [[nodiscard]] detail::TypeEntry finish() const {
    detail::TypeEntry entry = entry_;
    entry.kind = detail::KindOf<Base>::kName;
    entry.texts = fields_.texts();
    entry.create = [fields = fields_](const strata_create_args& args) {
      const Config config = fields.read(Node(args.config));
      std::unique_ptr<Base> object;
      if constexpr (std::is_constructible_v<T, const Config&>) {
        object = std::make_unique<T>(config);
      } else {
        object = std::make_unique<T>();
      }
      object->attach(args.runtime);
      return strata_object{object.release(), detail::KindOf<Base>::table()};
    };
    return entry;
  }

 private:
  detail::TypeEntry entry_;
  Fields<Config> fields_;
};

template <class T, class Config = NoConfig>
STRATA_HIDDEN Exported<T, Config> exported(std::string name) {
  return Exported<T, Config>(std::move(name));
}

namespace detail {

template <class... Types>
STRATA_HIDDEN void register_types(const Types&... exported_types) {
  auto& all = types();
  if (!all.empty()) {
    return;
  }
  (all.push_back(exported_types.finish()), ...);
  for (TypeEntry& entry : all) {
    for (const FieldText& field : entry.texts) {
      entry.fields.push_back(field.c());
    }
  }
}

STRATA_HIDDEN inline uint32_t type_count() {
  return static_cast<uint32_t>(types().size());
}

STRATA_HIDDEN inline strata_rc type_desc(uint32_t index, strata_type_desc* out) {
  return guarded([&] { types().at(index).describe(out); });
}

STRATA_HIDDEN inline strata_rc create(const strata_create_args* args, strata_object* out) {
  return guarded([&] {
    for (const TypeEntry& entry : types()) {
      if (entry.name == view(args->type)) {
        *out = entry.create(*args);
        return;
      }
    }
    throw Error(STRATA_E_NOT_FOUND, text("this plugin has no type \"", view(args->type), "\""));
  });
}

STRATA_HIDDEN inline const void* no_extension(strata_str) {
  return nullptr;
}

STRATA_HIDDEN inline void deinit() {}

}  // namespace detail
}  // namespace strata

/// Once per plugin, in one source file: lists its types and defines the exported entry.
#define STRATA_PLUGIN(...)                                                                       \
  namespace {                                                                                    \
  strata_rc strata_plugin_init(const strata_host* host) {                                        \
    strata::detail::host = host;                                                                 \
    return strata::guarded([] { strata::detail::register_types(__VA_ARGS__); });                 \
  }                                                                                              \
  }                                                                                              \
  extern "C" __attribute__((visibility("default"))) const strata_plugin* strata_plugin_entry_v0( \
      void) {                                                                                    \
    static const strata_plugin plugin = {STRATA_HDR(strata_plugin),                              \
                                         &strata_plugin_init,                                    \
                                         &strata::detail::deinit,                                \
                                         &strata::detail::type_count,                            \
                                         &strata::detail::type_desc,                             \
                                         &strata::detail::create,                                \
                                         &strata::detail::no_extension};                         \
    return &plugin;                                                                              \
  }                                                                                              \
  static_assert(true, "a semicolon follows")
