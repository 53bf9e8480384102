// Opens a plugin by its path and makes objects of it, with a host of error record, silent log and
// empty configuration.
#pragma once

#include <dlfcn.h>
#include <string>

#include "strata/abi/core.h"
#include "strata/abi/host.h"

#include "border/errors.hpp"
#include "border/object.hpp"

namespace strata::test {

inline const strata_host* plain_host() {
  static const strata_log_api log = {STRATA_HDR(strata_log_api),
                                     [](strata_runtime*, int32_t) { return 0; },
                                     [](strata_runtime*, int32_t, strata_str) {}};
  static const strata_config_api config = [] {
    strata_config_api api{};
    api.h = STRATA_HDR(strata_config_api);
    api.find = [](const strata_node*, strata_str, const strata_node** out) {
      *out = nullptr;  // every key is absent: defaults
      return strata_rc{STRATA_OK};
    };
    return api;
  }();
  static const strata_host host = {STRATA_HDR(strata_host),
                                   border::error_service(),
                                   &log,
                                   &config,
                                   [](strata_str) -> const void* { return nullptr; }};
  return &host;
}

/// The plugin at this path, initialised. It stays loaded. Errors: STRATA_E_FAILED with the loader's
/// words.
inline const strata_plugin* open_plugin(const std::string& path,
                                        const strata_host* host = plain_host()) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw run_error(dlerror());
  }
  const auto entry = reinterpret_cast<strata_plugin_entry_fn>(dlsym(library, STRATA_PLUGIN_ENTRY));
  if (entry == nullptr) {
    throw run_error(path, " has no ", STRATA_PLUGIN_ENTRY);
  }
  border::check(entry()->init(host));
  return entry();
}

/// An object of a type, made with the defaults of all its keys.
template <class Api>
border::Object<Api> make_object(const strata_plugin* plugin,
                                const std::string& type,
                                strata_runtime* runtime = nullptr) {
  const strata_create_args args = {
      STRATA_HDR(strata_create_args), border::view(type), nullptr, runtime};
  strata_object object{};
  border::check(plugin->create(&args, &object));
  return {object, type};
}

}  // namespace strata::test
