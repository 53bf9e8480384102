// Creating everything once, before anything happens.
#include "app/preflight.hpp"

#include <filesystem>
#include <tuple>

#include "hooks/log_options.hpp"
#include "host/services.hpp"
#include "plugin/search.hpp"
#include "strata/cpp/error.hpp"
#include "train/checkpoints.hpp"
#include "train/components.hpp"
#include "train/engine.hpp"
#include "train/weights.hpp"

namespace strata::app {
namespace {

namespace fs = std::filesystem;

plugin::Paths plugin_paths(const train::RunConfig& run) {
  plugin::Paths paths;
  const config::Value* list = run.root->find("plugins.paths");
  for (const std::string& path : run.plugin_paths) {
    // A path of the command line is meant from where it was typed, one of a file from where that lies.
    paths.push_back(fs::absolute(fs::path(list->origin().file).parent_path() / path).lexically_normal());
  }
  return paths;
}

void check_work_dir(const train::RunConfig& run) {
  for (fs::path p = fs::absolute(run.work_dir); p.has_relative_path(); p = p.parent_path()) {
    std::error_code error;
    if (fs::exists(p, error) && !fs::is_directory(p, error)) {
      const config::Value* key = run.root->find("work_dir");
      throw config_error(key == nullptr ? "" : key->where(), "work_dir \"", run.work_dir, "\": ", p.string(),
                         " is a file; name a folder");
    }
  }
}

void check_loader(const train::Factory& factory, const train::LoaderConfig& config, bool open) {
  if (!config) {
    return;
  }
  data::Pipeline pipeline = factory.pipeline(config);
  const auto sampler = factory.sampler(config);
  if (open) {
    pipeline.open();
  }
}

void check_schedulers(const registry::Registry& registry, const config::Value& root, strata_runtime* rt) {
  const config::Value* value = root.find("param_scheduler");
  if (value == nullptr) {
    return;
  }
  const auto check = [&](const config::Value& table) {
    std::ignore = registry.create<strata_param_scheduler_api>(STRATA_KIND_PARAM_SCHEDULER, table, rt);
  };
  if (value->is_table()) {
    check(*value);
    return;
  }
  for (const config::Value& item : value->as_list()) {
    check(item);
  }
}

void check_hooks(const registry::Registry& registry, const train::RunConfig& run, strata_runtime* rt) {
  for (const hooks::HookSpec& spec : train::hook_specs_of(run)) {
    std::ignore = registry.create<strata_hook_api>(STRATA_KIND_HOOK, spec.table(), rt, hooks::kHostKeys);
  }
  hooks::parse_log_options(run.root->find("log_processor"));
}

void check_strategy_fits(const train::EngineObjects& objects, int world_size) {
  strata_strategy_caps caps{};
  caps.h = STRATA_HDR(strata_strategy_caps);
  objects.strategy.call(&strata_strategy_api::describe, &caps);
  if (caps.max_world > 0 && world_size > caps.max_world) {
    throw Error(STRATA_E_CONFIG, text(objects.strategy.type(), " runs on at most ", caps.max_world,
                                      " rank(s), and this run has ", world_size,
                                      ": use DDPStrategy or a sharding strategy, or fewer ranks"));
  }
}

}  // namespace

std::unique_ptr<registry::Registry> make_registry(const train::RunConfig& run) {
  const bool strict = run.root->get_or<std::string>("plugins.trust", "normal") == "strict";
  const plugin::Trust trust = strict ? plugin::Trust::kStrict : plugin::Trust::kNormal;
  return std::make_unique<registry::Registry>(plugin::scan(plugin::search_paths(plugin_paths(run)), trust),
                                              host::services());
}

void preflight(const config::Value& root, const RunOptions& options, int world_size) {
  const train::RunConfig run =
      train::parse_run_config(root, std::filesystem::path(options.config).stem().string());
  train::require_sections(run, options.command);
  check_work_dir(run);
  const auto registry = make_registry(run);
  strata_runtime nowhere;  // its log goes to stderr; create() calls no other service
  const train::Factory factory{*registry, &nowhere};
  const train::EngineObjects objects = train::make_engine_objects(factory, run);
  check_strategy_fits(objects, world_size);
  check_schedulers(*registry, root, &nowhere);
  check_hooks(*registry, run, &nowhere);
  const bool open = !options.dry_run;
  const bool trains = options.command == train::Command::kTrain;
  check_loader(factory, run.train, open && trains);
  check_loader(factory, run.val, open && options.command != train::Command::kTest);
  check_loader(factory, run.test, open && options.command == train::Command::kTest);
  std::ignore = factory.metrics(run.val_metrics);
  std::ignore = factory.metrics(run.test_metrics);
  if (open) {
    const train::StartPoint start = train::find_start(run);
    if (!start.path.empty()) {
      const train::Weights readable(start.path);
    }
  }
}

}  // namespace strata::app
