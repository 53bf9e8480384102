// The keys of what watches, saves, recomputes and tunes.
#include "keys.hpp"

// clang-format off: a row of the table is a line or two
namespace strata::deepspeed::rows {
namespace {

constexpr const char* kActivation = "activation_checkpointing";
constexpr const char* kCalls = "it sets up functions that a model calls in DeepSpeed; write the run's own activation_checkpointing";
constexpr const char* kCheckpoint = "checkpoint";
constexpr const char* kWriter = "checkpoint.writer";
constexpr const char* kSaving = "the host writes checkpoints itself, atomically, and loads them on any number of ranks";
constexpr const char* kFlops = "flops_profiler";
constexpr const char* kComms = "comms_logger";
constexpr const char* kAuto = "autotuning";
constexpr const char* kRecorded = "scalars.json in the run's log folder has every number";

std::vector<Key> monitor(const char* name, const std::vector<const char*>& texts) {
  std::vector<Key> out = {section("", name, "writes numbers of the run"),
                          ignored(name, "enabled", Kind::kBool, "false", kRecorded)};
  for (const char* key : texts) {
    out.push_back(unused(name, key, Kind::kAny, "", kOff));
  }
  return out;
}

std::vector<Key> checkpoints() {
  return {
      section("", "activation_checkpointing", "recomputing activations"),
      ignored(kActivation, "partition_activations", Kind::kBool, "false", kCalls),
      ignored(kActivation, "cpu_checkpointing", Kind::kBool, "false", kCalls),
      ignored(kActivation, "contiguous_memory_optimization", Kind::kBool, "false", kCalls),
      ignored(kActivation, "number_checkpoints", Kind::kInt, "", kCalls),
      ignored(kActivation, "synchronize_checkpoint_boundary", Kind::kBool, "false", kCalls),
      ignored(kActivation, "profile", Kind::kBool, "false", kCalls),

      section("", "checkpoint", "saving"),
      {kCheckpoint, "tag_validation", Kind::kText, "\"WARN\"", "WARN|IGNORE|FAIL", Fate::kIgnored, kSaving},
      ignored(kCheckpoint, "load_universal", Kind::kBool, "false", kSaving),
      ignored(kCheckpoint, "use_node_local_storage", Kind::kBool, "false", kSaving),
      ignored(kCheckpoint, "checkpoint_serialization", Kind::kBool, "true", kSaving),
      section(kCheckpoint, "parallel_write", "saving"),
      ignored("checkpoint.parallel_write", "pipeline_stage", Kind::kBool, "false", kSaving),
      section(kCheckpoint, "writer", "saving"),
      ignored(kWriter, "type", Kind::kText, "", kSaving),
      ignored(kWriter, "decoupled", Kind::kBool, "false", kSaving),
      ignored(kWriter, "io_buffer_size", Kind::kInt, "67108864", kSaving),
      ignored(kWriter, "io_buffer_double", Kind::kBool, "true", kSaving),
      ignored(kWriter, "show_statistics", Kind::kBool, "false", kSaving),
      ignored(kWriter, "data_parallel", Kind::kText, "", kSaving),
      ignored(kWriter, "io_multiplier", Kind::kInt, "1", kSaving),
  };
}

std::vector<Key> watching() {
  return {
      section("", "flops_profiler", "counts operations"),
      ignored(kFlops, "enabled", Kind::kBool, "false", "operations are not counted"),
      unused(kFlops, "recompute_fwd_factor", Kind::kFloat, "0", kOff),
      unused(kFlops, "profile_step", Kind::kInt, "1", kOff),
      unused(kFlops, "module_depth", Kind::kInt, "-1", kOff),
      unused(kFlops, "top_modules", Kind::kInt, "1", kOff),
      unused(kFlops, "detailed", Kind::kBool, "true", kOff),
      unused(kFlops, "output_file", Kind::kText, "", kOff),
      section("", "comms_logger", "records collectives"),
      ignored(kComms, "enabled", Kind::kBool, "false", "the run's log has the bytes that each rank sent"),
      unused(kComms, "verbose", Kind::kBool, "false", kOff),
      unused(kComms, "prof_all", Kind::kBool, "true", kOff),
      unused(kComms, "debug", Kind::kBool, "false", kOff),
      unused(kComms, "prof_ops", Kind::kNames, "", kOff),
      section("", "autotuning", "searches a batch size and a stage"),
      ignored(kAuto, "enabled", Kind::kBool, "false",
              "`strata estimate` tells the memory of every strategy before the run"),
  };
}

}  // namespace

std::vector<Key> tools() {
  std::vector<Key> all = checkpoints();
  const auto append = [&all](std::vector<Key> some) {
    for (Key& key : some) {
      all.push_back(std::move(key));
    }
  };
  append(watching());
  for (const char* key :
       {"fast", "metric", "start_profile_step", "end_profile_step", "tuner_type", "tuner_early_stopping",
        "tuner_num_trials", "min_train_micro_batch_size_per_gpu", "max_train_micro_batch_size_per_gpu",
        "min_train_batch_size", "max_train_batch_size", "num_tuning_micro_batch_sizes", "mp_size", "results_dir",
        "exps_dir", "overwrite", "arg_mappings", "model_info", "model_info_path"}) {
    all.push_back(unused(kAuto, key, Kind::kAny, "", kOff));
  }
  append(monitor("tensorboard", {"output_path", "job_name"}));
  append(monitor("csv_monitor", {"output_path", "job_name"}));
  append(monitor("wandb", {"group", "team", "project"}));
  append(monitor("comet", {"samples_log_interval", "project", "workspace", "api_key", "experiment_name",
                           "experiment_key", "online", "mode"}));
  return all;
}

}  // namespace strata::deepspeed::rows
