// From `type = "…"` in the configuration to an object of a plugin.
#pragma once

#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/host.h"

#include "border/object.hpp"
#include "config/schema.hpp"
#include "config/value.hpp"
#include "plugin/loader.hpp"
#include "plugin/search.hpp"

namespace strata::registry {

/// A type of a loaded plugin. Both live as long as the process.
struct Type {
  const plugin::Loaded* plugin;
  const strata_type_desc* desc;

  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool has_field(std::string_view name) const;
  /// The configuration keys. Errors: STRATA_E_CONFIG for fields that the plugin describes wrongly.
  [[nodiscard]] std::vector<config::FieldSpec> fields() const;
};

/// What a table of the configuration asks for.
struct Request {
  std::string_view kind;    ///< "strategy", …
  std::string_view type;    ///< "FSDPStrategy", or "acme.Zero3" for that of one vendor
  std::string_view plugin;  ///< id of the plugin, the `plugin` key; empty: any
  std::string where;        ///< place of `type`, for messages
};

/// Knows the plugins that a search found; loads one when a type of it is asked for. [any]
class Registry {
 public:
  Registry(plugin::Found found, const strata_host* host);

  [[nodiscard]] const plugin::Found& found() const { return found_; }

  /// Errors: STRATA_E_CONFIG at `where` for an unknown type (with near names of the same kind and
  /// the
  ///         refused plugins with their reasons), one that several plugins have, or a plugin that
  ///         does not load.
  [[nodiscard]] Type find(const Request& request) const;

  /// The type that a table names by its keys `type` and `plugin`. The latter is the type's own key where it has one of
  /// that name and no plugin has the id. Errors: also for a table without `type`.
  [[nodiscard]] Type find(std::string_view kind, const config::Value& table) const;

  /// Makes the object that a table describes: checks its keys against the type's fields, calls
  /// create(), and refuses keys that the plugin was left to check and did not read.
  ///
  /// Api           strata_hook_api, …, the table of `kind`
  /// table         must stay where it is while the object lives
  /// also_allowed  keys that the host reads itself; `type` and `plugin` always are
  /// Errors        those of find(); STRATA_E_CONFIG for its keys; the plugin's own, with its name
  /// and file
  template <class Api>
  [[nodiscard]] border::Object<Api> create(
      std::string_view kind,
      const config::Value& table,
      strata_runtime* runtime,
      std::span<const std::string_view> also_allowed = {}) const {
    const Type type = find(kind, table);
    check_keys(type, table, also_allowed);
    border::Object<Api> object(make(type, table, runtime), type.name());
    check_all_read(type, table);
    return object;
  }

  /// "id version content" of every plugin loaded through this registry, sorted: ranks whose lists
  /// differ run different code.
  [[nodiscard]] std::vector<std::string> fingerprint() const;

 private:
  static void check_keys(const Type& type,
                         const config::Value& table,
                         std::span<const std::string_view> also_allowed);
  static strata_object make(const Type& type, const config::Value& table, strata_runtime* runtime);
  static void check_all_read(const Type& type, const config::Value& table);

  plugin::Found found_;
  const strata_host* host_;
  mutable std::mutex mutex_;
  mutable std::set<const plugin::Loaded*> used_;
};

}  // namespace strata::registry
