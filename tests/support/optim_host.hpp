// A host for tests of optimizer plugins: configuration from TOML text, and services that note what
// they are asked.
#pragma once

#include <dlfcn.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi.h"

#include "border/errors.hpp"
#include "border/object.hpp"
#include "border/runtime.hpp"
#include "config/parse.hpp"
#include "error_of.hpp"
#include "registry/config_service.hpp"

namespace strata::test {

/// What a plugin did through the update and autograd services, and what they answer.
struct FakeRun : strata_runtime {
  std::vector<std::string> calls;
  double norm = 1;
  bool found_inf = false;

  static FakeRun& of(strata_runtime* rt) { return *static_cast<FakeRun*>(rt); }

  static strata_rc note(strata_runtime* rt, std::string call) {
    of(rt).calls.push_back(std::move(call));
    return STRATA_OK;
  }
};

inline const strata_update_api* fake_update() {
  static const strata_update_api api = {
      STRATA_HDR(strata_update_api),
      [](strata_runtime* rt, double factor, int32_t* found) {
        *found = FakeRun::of(rt).found_inf ? 1 : 0;
        return FakeRun::note(rt, text("unscale ", factor));
      },
      [](strata_runtime* rt, double p, double* out) {
        *out = FakeRun::of(rt).norm;
        return FakeRun::note(rt, text("norm ", p));
      },
      [](strata_runtime* rt, double factor) { return FakeRun::note(rt, text("scale ", factor)); },
      [](strata_runtime* rt, double limit) { return FakeRun::note(rt, text("clamp ", limit)); },
      [](strata_runtime* rt) { return FakeRun::note(rt, "step"); },
      nullptr,  // wrappers ask for none of these
      nullptr,
      nullptr,
      nullptr};
  return &api;
}

inline const strata_autograd_api* fake_autograd() {
  static const strata_autograd_api api = {
      STRATA_HDR(strata_autograd_api),
      [](strata_runtime* rt, int32_t dtype) { return FakeRun::note(rt, text("autocast ", dtype)); },
      [](strata_runtime* rt) { return FakeRun::note(rt, "autocast end"); },
      [](strata_runtime*, strata_group*) -> strata_rc { return STRATA_OK; },
      [](strata_runtime* rt, int32_t, int32_t, const strata_str*, uint64_t) {
        return FakeRun::note(rt, "cast inputs");
      }};
  return &api;
}

inline const void* optim_service(strata_str id) {
  if (border::view(id) == STRATA_UPDATE_API) {
    return fake_update();
  }
  return border::view(id) == STRATA_AUTOGRAD_API ? fake_autograd() : nullptr;
}

inline const strata_host* optim_host() {
  static const strata_log_api log = {STRATA_HDR(strata_log_api),
                                     [](strata_runtime*, int32_t) { return 0; },
                                     [](strata_runtime*, int32_t, strata_str) {}};
  static const strata_host host = {STRATA_HDR(strata_host),
                                   border::error_service(),
                                   &log,
                                   registry::config_service(),
                                   &optim_service};
  return &host;
}

/// A loaded plugin; never unloaded.
class OptimPlugin {
 public:
  explicit OptimPlugin(const std::string& name) {
    const std::string path = std::string(STRATA_PLUGIN_DIR) + "/" + name + ".so";
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw run_error("cannot load ", path, ": ", ::dlerror());
    }
    const auto entry =
        reinterpret_cast<strata_plugin_entry_fn>(::dlsym(library, STRATA_PLUGIN_ENTRY));
    plugin_ = entry();
    border::check(plugin_->init(optim_host()));
  }

  /// toml: the table; kept as long as this.
  template <class Api>
  border::Object<Api> create(const std::string& type,
                             const std::string& toml = {},
                             strata_runtime* rt = nullptr) {
    configs_.push_back(std::make_unique<config::Value>(config::parse_toml(toml, "test.toml")));
    return create<Api>(type, *configs_.back(), rt);
  }

  template <class Api>
  border::Object<Api> create(const std::string& type,
                             const config::Value& table,
                             strata_runtime* rt = nullptr) {
    const strata_create_args args = {STRATA_HDR(strata_create_args),
                                     border::view(std::string_view(type)),
                                     registry::as_node(table),
                                     rt};
    strata_object object{};
    border::check(plugin_->create(&args, &object));
    return border::Object<Api>(object, type);
  }

 private:
  const strata_plugin* plugin_ = nullptr;
  std::vector<std::unique_ptr<config::Value>> configs_;
};

}  // namespace strata::test
