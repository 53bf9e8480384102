// Creating everything once, before anything happens.
#include "app/preflight.hpp"

#include <filesystem>
#include <tuple>

#include "strata/cpp/error.hpp"

#include "hooks/log_options.hpp"
#include "host/services.hpp"
#include "optim/groups.hpp"
#include "plugin/search.hpp"
#include "train/checkpoints.hpp"
#include "train/components.hpp"
#include "train/contribute.hpp"
#include "train/engine.hpp"

namespace strata::app {
namespace {

namespace fs = std::filesystem;

plugin::Paths plugin_paths(const train::RunConfig& run) {
  plugin::Paths paths;
  const config::Value* list = run.root->find("plugins.paths");
  for (const std::string& path : run.plugin_paths) {
    // A path of the command line is meant from where it was typed, one of a file from where that lies.
    paths.push_back(
        fs::absolute(fs::path(list->origin().file).parent_path() / path).lexically_normal());
  }
  return paths;
}

void check_work_dir(const train::RunConfig& run) {
  for (fs::path p = fs::absolute(run.work_dir); p.has_relative_path(); p = p.parent_path()) {
    std::error_code error;
    if (fs::exists(p, error) && !fs::is_directory(p, error)) {
      const config::Value* key = run.root->find("work_dir");
      throw config_error(key == nullptr ? "" : key->where(),
                         "work_dir \"",
                         run.work_dir,
                         "\": ",
                         p.string(),
                         " is a file; name a folder");
    }
  }
}

// Batches of a pass of rank 0, or 0 when there is no such loader or its data stay closed.
int64_t check_loader(const train::Factory& factory,
                     const train::LoaderConfig& config,
                     int world_size,
                     bool open) {
  if (!config) {
    return 0;
  }
  if (open) {
    return factory.loader(config, {0, world_size, 0}).length();
  }
  std::ignore = factory.pipeline(config);
  std::ignore = factory.sampler(config);
  return 0;
}

// pass_length: 0 when unknown.
void check_schedules(const train::Factory& factory,
                     const train::RunConfig& run,
                     const border::Object<strata_optimizer_api>& optimizer,
                     int64_t pass_length) {
  if (!run.train_loop.has_value()) {
    return;
  }
  constexpr int64_t kLong = 1 << 20;  // no schedule begins too late while the length is unknown
  const train::RunFacts facts = train::training_facts(run, pass_length == 0 ? kLong : pass_length);
  const std::vector<optim::Hyper> hypers = optim::hypers_of(optimizer);
  const config::Value* paramwise = run.root->find("optim_wrapper.paramwise_cfg");
  optim::HyperTable table(hypers, optim::make_groups({}, paramwise, hypers).groups);
  std::ignore = factory.schedulers(run, facts, table);
}

void check_hooks(const registry::Registry& registry,
                 const train::RunConfig& run,
                 strata_runtime* rt) {
  for (const hooks::HookSpec& spec : train::hook_specs_of(run)) {
    std::ignore =
        registry.create<strata_hook_api>(STRATA_KIND_HOOK, spec.table(), rt, hooks::kHostKeys);
  }
  hooks::parse_log_options(run.root->find("log_processor"));
}

void check_strategy_fits(const train::RunConfig& run,
                         const train::EngineObjects& objects,
                         int world_size) {
  const int32_t most = train::caps_of(objects.strategy).max_world;
  if (most > 0 && world_size > most) {
    throw config_error(run.root->at("strategy").where(),
                       objects.strategy.type(),
                       " runs on at most ",
                       most,
                       " rank(s), and this run has ",
                       world_size,
                       ": use DDPStrategy or a sharding strategy, or fewer ranks");
  }
}

// Whether what the run starts from is whole. Ranks with a preflight each divide the reading.
void check_start(const train::RunConfig& run, bool trains, const comm::LaunchInfo& launch) {
  try {
    if (const train::StartPoint start = train::find_start(run); !start.path.empty()) {
      train::check_start_point(start, trains, run.verify, launch.rank, launch.world_size);
    }
  } catch (const Error& e) {
    const config::Value& key = run.root->at(run.load_from.empty() ? "resume" : "load_from");
    throw config_error(e.where().empty() ? key.where() : e.where(), e.message());
  }
}

}  // namespace

std::unique_ptr<registry::Registry> make_registry(const train::RunConfig& run) {
  const bool strict = run.root->get_or<std::string>("plugins.trust", "normal") == "strict";
  const plugin::Trust trust = strict ? plugin::Trust::kStrict : plugin::Trust::kNormal;
  return std::make_unique<registry::Registry>(
      plugin::scan(plugin::search_paths(plugin_paths(run)), trust), host::services());
}

void preflight(config::Value& root,
               const RunOptions& options,
               int world_size,
               const comm::LaunchInfo& launch) {
  const std::string stem = std::filesystem::path(options.config).stem().string();
  train::RunConfig run = train::parse_run_config(root, stem);
  train::require_sections(run, options.command);
  check_work_dir(run);
  const auto registry = make_registry(run);
  train::add_contributions(root, *registry, {world_size, run.train ? run.train.batch_size : 0});
  run = train::parse_run_config(root, stem);
  strata_runtime nowhere;  // its log goes to stderr; create() calls no other service
  const train::Factory factory{*registry, &nowhere};
  const train::EngineObjects objects = train::make_engine_objects(factory, run);
  check_strategy_fits(run, objects, world_size);
  check_hooks(*registry, run, &nowhere);
  const auto loader = [&](const train::LoaderConfig& config, bool needed) {
    return check_loader(factory, config, world_size, needed && !options.dry_run);
  };
  const bool trains = options.command == train::Command::kTrain;
  const int64_t pass_length = loader(run.train, trains);
  loader(run.val, options.command != train::Command::kTest);
  loader(run.test, options.command == train::Command::kTest);
  check_schedules(factory, run, objects.optimizer, pass_length);
  std::ignore = factory.metrics(run.val_metrics);
  std::ignore = factory.metrics(run.test_metrics);
  if (!options.dry_run) {
    check_start(run, trains, launch);
  }
}

}  // namespace strata::app
