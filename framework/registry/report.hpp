// What the command line says about plugins and their types.
#pragma once

#include <filesystem>
#include <string>

#include "plugin/search.hpp"
#include "registry/registry.hpp"

namespace strata::registry {

/// `strata plugin list`: kind, type, plugin, version and file of every type, then the refused
/// plugins and where was searched in vain. Loads nothing.
std::string list(const plugin::Found& found);

/// `strata plugin inspect FILE`: what its note says, and whether this host would load it. Loads
/// nothing.
std::string inspect(const std::filesystem::path& file,
                    plugin::Trust trust = plugin::Trust::kNormal);

/// `strata config explain TYPE`: the type's text, and its keys with kinds, defaults, allowed values
/// and texts. Loads the plugin. Errors: those of Registry::find.
std::string describe(const Registry& registry, std::string_view type);

}  // namespace strata::registry
