// A registry over copies of the test plugins, and configuration tables to ask it with.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "strata/abi/hook.h"

#include "border/errors.hpp"
#include "config/parse.hpp"
#include "files.hpp"
#include "log/log.hpp"
#include "registry/config_service.hpp"
#include "registry/host.hpp"
#include "registry/registry.hpp"

namespace strata::registry {

using plugin::Folder;
using plugin::message_of;

inline const strata_host* test_host() {
  return make_host({border::error_service(), log::log_service(), config_service()}, {});
}

inline config::Value parse(const std::string& toml) {
  config::Value root = config::parse_toml(toml, "a.toml");
  config::seal(root);
  return root;
}

class RegistryTest : public testing::Test {
 protected:
  void add(const std::string& plugin) { folder_.add(plugin); }

  [[nodiscard]] Registry registry() const { return {plugin::scan({folder_.path()}), test_host()}; }

  [[nodiscard]] std::string path(const std::string& plugin) const {
    return (folder_.path() / (plugin + ".so")).string();
  }

  /// The refusal of the table [hook].
  [[nodiscard]] std::string refusal(const std::string& toml) const {
    const config::Value root = parse(toml);
    const Registry all = registry();
    return message_of([&] { (void)all.create<strata_hook_api>("hook", root.at("hook"), nullptr); });
  }

  Folder folder_;
};

}  // namespace strata::registry
