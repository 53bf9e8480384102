// DeepSpeed configurations from texts, as TOML beside `type` or as a JSON file.
#pragma once

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "optim_host.hpp"
#include "registry/config_service.hpp"
#include "settings/json_file.hpp"
#include "settings/read.hpp"

namespace strata::deepspeed {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A file ds_config.json with this text.
inline Loaded json(const std::string& text) {
  return load(parse_json(text, "ds_config.json"), true);
}

/// The table [strategy] of run.toml with these keys.
inline Loaded toml(const std::string& keys, const std::string& file = "run.toml") {
  detail::host = test::optim_host();
  const auto table = std::make_unique<config::Value>(config::parse_toml(keys, file));
  return load(Node(registry::as_node(*table)));
}

/// What reading it says; empty when nothing is refused.
inline std::string refusal(const std::string& text) {
  return test::error_of([&] { std::ignore = json(text); });
}

}  // namespace strata::deepspeed
