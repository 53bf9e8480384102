// The host's own sections of a configuration, checked and typed. Plugin tables stay values for the registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.hpp"
#include "config/value.hpp"
#include "train/weight_rules.hpp"

namespace strata::train {

/// What a command runs.
enum class Command { kTrain, kVal, kTest };

/// One of train_dataloader, val_dataloader, test_dataloader. Pointers live as long as the configuration.
struct LoaderConfig {
  const config::Value* table = nullptr;  // null: absent
  const config::Value* dataset = nullptr;
  const config::Value* sampler = nullptr;
  int64_t batch_size = 1;
  int64_t num_workers = 0;
  int64_t prefetch = 2;
  bool drop_last = false;
  bool persistent = false;

  explicit operator bool() const { return table != nullptr; }
};

struct TrainLoopConfig {
  bool by_epoch = true;
  int64_t max_epochs = 0;  // 0 in an iteration loop
  int64_t max_iters = 0;   // 0 in an epoch loop, until the loader's length is known
  int64_t val_begin = 1;
  int64_t val_interval = 1;
};

/// Everything the host reads itself. Errors of parsing name every wrong key at once.
struct RunConfig {
  const config::Value* root = nullptr;
  std::string work_dir = "work_dirs";
  std::string experiment_name;  // empty: the configuration file's name
  std::string log_level = "INFO";
  std::string device = "cpu";
  std::optional<int64_t> seed;
  bool deterministic = false;
  std::string backend;       // of communication; empty: by device and ranks
  int64_t timeout_s = 1800;  // of a collective
  std::optional<int64_t> port;
  int64_t stop_timeout_s = 60;  // from the signal that stops a run to the one that kills its ranks
  std::string load_from;
  WeightRules load_rules;             // of load_from
  bool verify = true;                 // a checkpoint's bytes, before anything is built
  std::optional<std::string> resume;  // a path; empty text: the newest checkpoint
  uint64_t open_files = 4096;
  bool poison_memory = false;
  std::vector<std::string> plugin_paths;
  LoaderConfig train, val, test;
  std::optional<TrainLoopConfig> train_loop;
  std::vector<const config::Value*> val_metrics, test_metrics;
  double auto_scale_base = 0;   // 0: off
  int64_t recompute_every = 0;  // every so many blocks run again in backward; 0: none
};

/// The schema of a whole configuration, for `strata config check` and `explain`.
const config::Schema& root_schema();

/// Writes what a user may leave out: the strategy (SingleDeviceStrategy on one rank, DDPStrategy on several) and the type
/// of optim_wrapper (OptimWrapper). Seals the tree anew, so it comes before anything keeps a node.
void write_defaults(config::Value& root, int32_t world_size);

/// A table with nothing but a type, as if it stood in the configuration at `where`.
config::Value typed_table(const std::string& type, const std::string& where);

/// Reads and checks the host's keys, after write_defaults(). file_stem: of the configuration file.
/// Errors: STRATA_E_CONFIG: unknown keys, wrong types, sections without their partners, values that cannot work.
RunConfig parse_run_config(const config::Value& root, const std::string& file_stem);

/// Errors: STRATA_E_CONFIG naming the sections that the command needs and the configuration lacks.
void require_sections(const RunConfig& config, Command command);

}  // namespace strata::train
