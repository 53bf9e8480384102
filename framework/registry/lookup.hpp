// Which plugin has a type, and what to say when none or several do. Loads nothing.
#pragma once

#include "plugin/search.hpp"
#include "registry/registry.hpp"

namespace strata::registry {

/// A type as a plugin's note names it.
struct Match {
  const plugin::Candidate* plugin;
  const plugin::TypeName* type;
};

/// The one plugin that a request means. Errors: see Registry::find.
Match look_up(const plugin::Found& found, const Request& request);

/// The names of all types of a kind (empty: of all), sorted. They view `found`.
std::vector<std::string_view> type_names(const plugin::Found& found, std::string_view kind);

/// All types that the name may mean, of any kind.
std::vector<Match> types_named(const plugin::Found& found, std::string_view name);

}  // namespace strata::registry
