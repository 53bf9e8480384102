// Finding, checking and creating.
#include "registry/registry.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "strata/cpp/error.hpp"

#include "border/errors.hpp"
#include "plugin/note.hpp"
#include "registry/config_service.hpp"
#include "registry/lookup.hpp"

namespace strata::registry {
namespace {

std::string title(const Type& type) {
  return text(type.name(),
              " of plugin ",
              type.plugin->candidate.manifest.id,
              ", ",
              type.plugin->candidate.file.string());
}

/// "strategy", or "this table" for one outside a configuration.
std::string path_of(const config::Value& table) {
  return table.path().empty() ? "this table" : table.path();
}

/// Whether `plugin` of a table is the id of one that was found; a type may have a key of that name itself.
bool names_plugin(const plugin::Found& found, const config::Value& value) {
  return value.is_text() && std::ranges::any_of(found.plugins, [&](const plugin::Candidate& c) {
           return c.manifest.id == value.as_text();
         });
}

/// Refuses an object that the host could not use or destroy.
void check_object(const strata_object& object) {
  if (object.self == nullptr || object.vtbl == nullptr) {
    throw Error(STRATA_E_ARGUMENT, "create() succeeded and gave no object");
  }
  const auto& api = *static_cast<const strata_object_api*>(object.vtbl);
  if (api.h.struct_size < sizeof(strata_object_api) || api.destroy == nullptr) {
    throw Error(STRATA_E_ARGUMENT,
                text("create() gave a table of struct_size ",
                     api.h.struct_size,
                     api.destroy == nullptr ? " without destroy()" : "",
                     "; fill its header with STRATA_HDR and set destroy"));
  }
}

/// The error with the table's place, where it names none of its own, and the plugin.
Error explained(const Error& e, const Type& type, const config::Value& table) {
  Error out(e.code(), e.message(), e.where().empty() ? table.where() : e.where());
  out.add_context(text("while making ", path_of(table), " (", title(type), ")"));
  return out;
}

}  // namespace

std::string Type::name() const {
  return std::string(border::view(desc->name));
}

bool Type::has_field(std::string_view name) const {
  return std::any_of(desc->fields, desc->fields + desc->n_fields, [&](const strata_field& field) {
    return border::view(field.name) == name;
  });
}

std::vector<config::FieldSpec> Type::fields() const {
  std::vector<config::FieldSpec> out;
  out.reserve(desc->n_fields);
  for (uint64_t i = 0; i < desc->n_fields; ++i) {
    out.push_back(config::FieldSpec::from_abi(desc->fields[i]));
  }
  return out;
}

Registry::Registry(plugin::Found found, const strata_host* host)
    : found_(std::move(found)), host_(host) {}

Type Registry::find(const Request& request) const {
  const Match match = look_up(found_, request);
  try {
    const plugin::Loaded& loaded = plugin::load(*match.plugin, host_);
    const std::scoped_lock lock(mutex_);
    used_.insert(&loaded);
    return {&loaded, loaded.type(match.type->name)};
  } catch (const Error& e) {
    throw Error(e.code(),
                text("the ", request.kind, " type \"", request.type, "\": ", e.message()),
                request.where);
  }
}

Type Registry::find(std::string_view kind, const config::Value& table) const {
  if (!table.is_table()) {
    throw config_error(table.where(),
                       path_of(table),
                       " must be a table with a `type`, found ",
                       config::kind_name(table.kind()));
  }
  const config::Value* type = table.find("type");
  if (type == nullptr) {
    const auto known = type_names(found_, kind);
    throw config_error(table.where(),
                       path_of(table),
                       " has no `type`, which names the ",
                       kind,
                       "; ",
                       known.empty() ? "no plugin of this kind was found"
                                     : fmt::format("known: {}", fmt::join(known, ", ")));
  }
  table.mark_read();
  const config::Value* plugin = table.child("plugin");
  if (plugin != nullptr && !names_plugin(found_, *plugin)) {
    if (const Type own = find({kind, type->as_text(), {}, type->where()});
        own.has_field("plugin")) {
      return own;
    }
  }
  const auto id = table.get_or<std::string>("plugin", "");
  return find({kind, type->as_text(), id, type->where()});
}

void Registry::check_keys(const Type& type,
                          const config::Value& table,
                          std::span<const std::string_view> also_allowed) {
  std::vector<std::string_view> allowed(also_allowed.begin(), also_allowed.end());
  allowed.emplace_back("plugin");
  try {
    config::check_fields(table, type.fields(), {type.name(), allowed});
  } catch (const Error& e) {
    if (e.code() != STRATA_E_CONFIG) {
      throw explained(e, type, table);
    }
    throw;
  }
}

strata_object Registry::make(const Type& type,
                             const config::Value& table,
                             strata_runtime* runtime) {
  const strata_create_args args = {
      STRATA_HDR(strata_create_args), type.desc->name, as_node(table), runtime};
  strata_object object = {nullptr, nullptr};
  try {
    // No exception may cross the border; one from a plugin without the C++ sugar still becomes an
    // error.
    border::check(
        border::guarded([&] { border::check(type.plugin->table->create(&args, &object)); }));
    check_object(object);
  } catch (const Error& e) {
    throw explained(e, type, table);
  }
  return object;
}

void Registry::check_all_read(const Type& type, const config::Value& table) {
  config::Problems problems;
  for (const config::FieldSpec& field : type.fields()) {
    const config::Value* value = table.child(field.name);
    if (value == nullptr) {
      continue;
    }
    if (field.kind != STRATA_FIELD_NODE) {
      value->mark_all_read();
      continue;
    }
    for (const config::Value* left : config::unread(*value)) {
      problems.add(left->origin(),
                   text("unknown key ", left->path(), ": ", title(type), " does not read it"));
    }
  }
  problems.throw_if_any();
}

std::vector<std::string> Registry::fingerprint() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> out;
  for (const plugin::Loaded* loaded : used_) {
    const plugin::Manifest& manifest = loaded->candidate.manifest;
    out.push_back(text(manifest.id, " ", manifest.version, " ", loaded->candidate.content));
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace strata::registry
