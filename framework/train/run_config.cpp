// From checked tables to typed options, and the rules between sections.
#include "train/run_config.hpp"

#include <utility>

#include "strata/cpp/error.hpp"

namespace strata::train {
namespace {

LoaderConfig read_loader(const config::Value& root, const char* name) {
  LoaderConfig loader;
  loader.table = root.find(name);
  if (loader.table == nullptr) {
    return loader;
  }
  const config::Value& t = *loader.table;
  loader.dataset = &t.at("dataset");
  loader.sampler = &t.at("sampler");
  loader.batch_size = t.get_or<int64_t>("batch_size", 1);
  loader.num_workers = t.get_or<int64_t>("num_workers", 0);
  loader.prefetch = t.get_or<int64_t>("prefetch_factor", 2);
  loader.drop_last = t.get_or<bool>("drop_last", false);
  loader.persistent = t.get_or<bool>("persistent_workers", false);
  return loader;
}

bool reads_epochs(const config::Value& cfg) {
  const config::Value* type = cfg.find("type");
  const config::Value* by_epoch = cfg.find("by_epoch");
  if (type != nullptr && by_epoch != nullptr) {
    throw config_error(by_epoch->where(), "train_cfg has both `type` and `by_epoch`; keep one");
  }
  if (type != nullptr) {
    return type->as_text() == "EpochBasedTrainLoop";
  }
  return by_epoch == nullptr || by_epoch->as_bool();
}

TrainLoopConfig read_train_loop(const config::Value& cfg) {
  TrainLoopConfig loop;
  loop.by_epoch = reads_epochs(cfg);
  const char* wanted = loop.by_epoch ? "max_epochs" : "max_iters";
  const char* other = loop.by_epoch ? "max_iters" : "max_epochs";
  if (const config::Value* wrong = cfg.find(other); wrong != nullptr) {
    throw config_error(wrong->where(),
                       "train_cfg counts ",
                       loop.by_epoch ? "epochs" : "iterations",
                       ", so `",
                       other,
                       "` has no meaning; write `",
                       wanted,
                       "`, or change by_epoch");
  }
  if (cfg.find(wanted) == nullptr) {
    throw config_error(cfg.where(), "train_cfg needs `", wanted, "`");
  }
  (loop.by_epoch ? loop.max_epochs : loop.max_iters) = cfg.get<int64_t>(wanted);
  loop.val_begin = cfg.get_or<int64_t>("val_begin", 1);
  loop.val_interval = cfg.get_or<int64_t>("val_interval", loop.by_epoch ? 1 : 1000);
  return loop;
}

std::vector<const config::Value*> read_metrics(const config::Value& root, const char* name) {
  const config::Value* value = root.find(name);
  std::vector<const config::Value*> metrics;
  if (value != nullptr && value->is_table()) {
    metrics.push_back(value);
  } else if (value != nullptr) {
    for (const config::Value& item : value->as_list()) {
      metrics.push_back(&item);
    }
  }
  return metrics;
}

// MMEngine's rule: the three sections of a loop come together or not at all.
void check_triple(const config::Value& root, const char* a, const char* b, const char* c) {
  std::string given;
  std::string missing;
  const config::Value* first = nullptr;
  for (const char* name : {a, b, c}) {
    first = first == nullptr ? root.child(name) : first;
    std::string& list = root.child(name) != nullptr ? given : missing;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  if (!given.empty() && !missing.empty()) {
    throw config_error(first->where(),
                       given,
                       " given, but not ",
                       missing,
                       ": the three come together or not at all");
  }
}

std::optional<std::string> read_resume(const config::Value& root) {
  const config::Value* value = root.find("resume");
  if (value == nullptr || (value->kind() == config::Kind::kBool && !value->as_bool())) {
    return std::nullopt;
  }
  return value->is_text() ? value->as_text() : std::string();
}

WeightRules read_load_rules(const config::Value& root) {
  WeightRules rules;
  const config::Value* table = root.find("load_cfg");
  if (table == nullptr) {
    return rules;
  }
  rules.where = table->where();
  if (const config::Value* strict = table->find("strict"); strict != nullptr) {
    rules.strict = strict->as_bool();
    rules.where = strict->where();
  }
  if (const config::Value* keys = table->find("revise_keys"); keys != nullptr) {
    rules.revise_keys = read_revisions(*keys);
  }
  return rules;
}

void read_environment(const config::Value& root, RunConfig& run) {
  run.work_dir = root.get_or<std::string>("work_dir", run.work_dir);
  run.log_level = root.get_or<std::string>("log_level", run.log_level);
  run.device = root.get_or<std::string>("device", run.device);
  run.seed = root.get_optional<int64_t>("randomness.seed");
  run.deterministic = root.get_or<bool>("randomness.deterministic", false);
  run.backend = root.get_or<std::string>("env_cfg.dist_cfg.backend", "");
  run.timeout_s = root.get_or<int64_t>("env_cfg.dist_cfg.timeout", run.timeout_s);
  run.port = root.get_optional<int64_t>("env_cfg.dist_cfg.port");
  run.stop_timeout_s = root.get_or<int64_t>("env_cfg.stop_timeout_s", run.stop_timeout_s);
  run.open_files = static_cast<uint64_t>(root.get_or<int64_t>("env_cfg.resource_limit", 4096));
  run.poison_memory = root.get_or<bool>("debug.poison_memory", false);
  run.plugin_paths = root.get_or<std::vector<std::string>>("plugins.paths", {});
  if (run.device == "cuda") {
    throw config_error(root.at("device").where(),
                       "device = \"cuda\": this build of the host maps no CUDA device; "
                       "write device = \"cpu\" or leave the key out");
  }
}

void read_scaling(const config::Value& root, RunConfig& run) {
  if (!root.get_or<bool>("auto_scale_lr.enable", false)) {
    return;
  }
  const config::Value* base = root.find("auto_scale_lr.base_batch_size");
  if (base == nullptr) {
    throw config_error(root.at("auto_scale_lr").where(),
                       "auto_scale_lr is enabled without base_batch_size");
  }
  run.auto_scale_base = base->as_float();
}

void read_checkpointing(const config::Value& root, RunConfig& run) {
  const config::Value* table = root.find("activation_checkpointing");
  if (table == nullptr) {
    return;
  }
  const bool full = table->get<std::string>("type") == "full";
  const config::Value* n = table->find("n");
  if (full != (n == nullptr)) {
    throw config_error(
        n == nullptr ? table->where() : n->where(),
        full ? "activation_checkpointing of type \"full\" takes every block; leave `n` out, or "
               "write "
               "type = \"every_n\""
             : "activation_checkpointing of type \"every_n\" needs `n`: one block of how many");
  }
  run.recompute_every = full ? 1 : n->as_int();
}

}  // namespace

config::Value typed_table(const std::string& type, const std::string& where) {
  config::Origin origin;
  origin.note = where;
  config::Value table{config::Value::Data{config::Value::Table{}}, origin};
  table.set("type", config::Value{config::Value::Data{type}, origin});
  config::seal(table);
  return table;
}

void write_defaults(config::Value& root, int32_t world_size) {
  if (root.child("strategy") == nullptr) {
    root.set("strategy",
             typed_table(world_size == 1 ? "SingleDeviceStrategy" : "DDPStrategy", "default"));
  }
  if (config::Value* wrapper = root.child("optim_wrapper");
      wrapper != nullptr && wrapper->is_table() && wrapper->child("type") == nullptr) {
    wrapper->set("type", *typed_table("OptimWrapper", "default").child("type"));
  }
  config::seal(root);
}

RunConfig parse_run_config(const config::Value& root, const std::string& file_stem) {
  config::check(root, root_schema());
  check_triple(root, "train_dataloader", "train_cfg", "optim_wrapper");
  check_triple(root, "val_dataloader", "val_cfg", "val_evaluator");
  check_triple(root, "test_dataloader", "test_cfg", "test_evaluator");

  RunConfig run;
  run.root = &root;
  read_environment(root, run);
  run.experiment_name = root.get_or<std::string>("experiment_name", file_stem);
  run.train = read_loader(root, "train_dataloader");
  run.val = read_loader(root, "val_dataloader");
  run.test = read_loader(root, "test_dataloader");
  if (const config::Value* cfg = root.find("train_cfg"); cfg != nullptr) {
    run.train_loop = read_train_loop(*cfg);
  }
  run.val_metrics = read_metrics(root, "val_evaluator");
  run.test_metrics = read_metrics(root, "test_evaluator");
  run.load_from = root.get_or<std::string>("load_from", "");
  run.load_rules = read_load_rules(root);
  run.verify = root.get_or<bool>("load_cfg.verify", run.verify);
  run.resume = read_resume(root);
  if (run.resume.has_value() && !run.resume->empty() && !run.load_from.empty()) {
    throw config_error(root.at("load_from").where(),
                       "both `resume` and `load_from` name a checkpoint; keep one of them");
  }
  if (root.find("param_scheduler") != nullptr && root.find("optim_wrapper") == nullptr) {
    throw config_error(root.at("param_scheduler").where(), "param_scheduler without optim_wrapper");
  }
  read_scaling(root, run);
  read_checkpointing(root, run);
  return run;
}

void require_sections(const RunConfig& config, Command command) {
  const bool there = command == Command::kTrain ? static_cast<bool>(config.train)
                     : command == Command::kVal ? static_cast<bool>(config.val)
                                                : static_cast<bool>(config.test);
  const char* name = command == Command::kTrain ? "train"
                     : command == Command::kVal ? "val"
                                                : "test";
  if (!there) {
    throw config_error(
        config.root->where(),
        "`strata ",
        name,
        "` needs ",
        name,
        "_dataloader, ",
        name,
        "_cfg and ",
        command == Command::kTrain ? "optim_wrapper" : std::string(name) + "_evaluator");
  }
}

}  // namespace strata::train
