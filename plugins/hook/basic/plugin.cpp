// The types of this plugin.
#include "hooks.hpp"

namespace {

namespace basic = strata::hook_basic;
using strata::exported;

auto invalid_loss() {
  using Config = basic::CheckInvalidLossConfig;
  return exported<basic::CheckInvalidLossHook, Config>("CheckInvalidLossHook")
      .doc("ends the run, or warns, when a loss is NaN or infinite")
      .field("interval", &Config::interval, "iterations between two looks", "[1, inf)")
      .field("on_invalid", &Config::on_invalid, "what to do then", "stop|warn");
}

auto logger() {
  using Config = basic::LoggerConfig;
  return exported<basic::LoggerHook, Config>("LoggerHook")
      .doc("log lines and scalars")
      .field("interval", &Config::interval, "iterations of an epoch between two lines", "[1, inf)")
      .field("ignore_last",
             &Config::ignore_last,
             "no line for the iterations left over at an epoch's end")
      .field("interval_exp_name",
             &Config::interval_exp_name,
             "iterations between two lines with the name of the run")
      .field("log_metric_by_epoch",
             &Config::log_metric_by_epoch,
             "step of metrics in scalars.json is the epoch, else the iteration; absent: as the "
             "loop counts")
      .field("out_dir", &Config::out_dir, "logs are copied below it at the end")
      .field("out_suffix", &Config::out_suffix, "ends of the names of the files that are copied")
      .field("keep_local", &Config::keep_local, "keep the files that were copied");
}

auto checkpoint() {
  using Config = basic::CheckpointConfig;
  return exported<basic::CheckpointHook, Config>("CheckpointHook")
      .doc("saves checkpoints")
      .field("interval", &Config::interval, "epochs or iterations between two; -1: never")
      .field("by_epoch",
             &Config::by_epoch,
             "count epochs, else iterations; absent: as the loop counts")
      .field("save_begin", &Config::save_begin, "epoch or iteration from which on", "[0, inf)")
      .field("save_optimizer",
             &Config::save_optimizer,
             "with the optimizer's state; without, no resume")
      .field("save_param_scheduler", &Config::save_param_scheduler, "with the schedulers' state")
      .field("save_last", &Config::save_last, "also at the end of training")
      .field("async_save",
             &Config::async_save,
             "training goes on once the values are copied; false: once they are on the disk")
      .field("out_dir",
             &Config::out_dir,
             "checkpoints go to <out_dir>/<name of the work_dir>; absent: the work_dir")
      .field("max_keep_ckpts", &Config::max_keep_ckpts, "keep this many newest ones; -1: all")
      .field("save_best",
             &Config::save_best,
             "metric, list of metrics, or \"auto\" for the first",
             "text|list")
      .field("rule",
             &Config::rule,
             R"("greater" or "less" is better, one for all metrics or one for each)",
             "text|list")
      .field("greater_keys",
             &Config::greater_keys,
             "parts of names of metrics of which more is better")
      .field("less_keys", &Config::less_keys, "parts of names of metrics of which less is better")
      .field("filename_tmpl",
             &Config::filename_tmpl,
             "name with {} for the number; absent: epoch_{} or iter_{}")
      .field("published_keys",
             &Config::published_keys,
             "parts of the last and the best checkpoint (\"state_dict\", \"meta\", …) that go into "
             "<name>-<sha256>.safetensors after training",
             "text|list")
      .field("backend_args", &Config::backend_args, "refused: checkpoints are local folders");
}

}  // namespace

STRATA_PLUGIN(exported<basic::RuntimeInfoHook>("RuntimeInfoHook")
                  .doc("facts, learning rates, losses and metrics for the log"),
              exported<basic::IterTimerHook>("IterTimerHook")
                  .doc("time of iterations, and the estimate of what remains"),
              exported<basic::DistSamplerSeedHook>("DistSamplerSeedHook")
                  .doc("tells the sampler which epoch begins"),
              invalid_loss(),
              logger(),
              exported<basic::ParamSchedulerHook>("ParamSchedulerHook")
                  .doc("lets the schedulers take their steps"),
              checkpoint());
