// Commands that look and change nothing.
#include <iostream>

#include "app/cli.hpp"
#include "app/preflight.hpp"
#include "config/dump.hpp"
#include "host/services.hpp"
#include "plugin/search.hpp"
#include "registry/registry.hpp"
#include "registry/report.hpp"
#include "train/start_dump.hpp"

namespace strata::app {

void config_show(const std::string& file, const std::vector<std::string>& overrides) {
  RunOptions options;
  options.config = file;
  options.overrides = overrides;
  std::cout << config::show(load_config(options, 1));
}

train::Command command_for(const config::Value& root) {
  if (root.find("train_cfg") == nullptr && root.find("val_cfg") != nullptr) {
    return train::Command::kVal;
  }
  return root.find("train_cfg") == nullptr && root.find("test_cfg") != nullptr
             ? train::Command::kTest
             : train::Command::kTrain;
}

void config_check(const std::string& file, const std::vector<std::string>& overrides) {
  RunOptions options;
  options.config = file;
  options.overrides = overrides;
  config::Value root = load_config(options, 1);
  options.command = command_for(root);
  options.dry_run = true;
  preflight(root, options, 1);
  std::cout << file << ": no problem found\n";
}

void config_explain(const std::string& type) {
  if (type.empty()) {
    for (const config::FieldSpec& field : train::root_schema().fields) {
      std::cout << field.name << (field.required ? " (required)" : "") << ": " << field.doc
                << (field.default_text.empty() ? "" : ", default " + field.default_text)
                << (field.allowed.empty() ? "" : ", " + field.allowed) << "\n";
    }
    return;
  }
  const registry::Registry registry(plugin::scan(plugin::search_paths({})), host::services());
  std::cout << registry::describe(registry, type);
}

void plugin_list() {
  std::cout << registry::list(plugin::scan(plugin::search_paths({})));
}

void plugin_inspect(const std::string& file) {
  std::cout << registry::inspect(file);
}

void print_env() {
  for (const auto& [key, value] : train::system_facts()) {
    std::cout << key << ": " << value << "\n";
  }
}

}  // namespace strata::app
