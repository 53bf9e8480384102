// ColossalAI's settings from texts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "optim_host.hpp"
#include "read_settings.hpp"
#include "registry/config_service.hpp"

namespace strata::colossalai {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The table [strategy] of run.toml with these keys.
inline Settings settings(const std::string& keys) {
  detail::host = test::optim_host();
  const auto table = std::make_unique<config::Value>(config::parse_toml(keys, "run.toml"));
  const Node node(registry::as_node(*table));
  return read_settings({node.find("plugin"),
                        node.find("mixed_precision"),
                        node.find("model_wrapper"),
                        node.find("config")});
}

/// The same with these keys of a plugin's table.
inline LowLevelZeroConfig low_level_zero(const std::string& keys) {
  return std::get<LowLevelZeroConfig>(
      settings("[plugin]\ntype = \"LowLevelZeroPlugin\"\n" + keys).plugin);
}

inline GeminiConfig gemini(const std::string& keys) {
  return std::get<GeminiConfig>(settings("[plugin]\ntype = \"GeminiPlugin\"\n" + keys).plugin);
}

}  // namespace strata::colossalai
