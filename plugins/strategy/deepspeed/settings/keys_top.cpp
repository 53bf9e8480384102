// The keys of the top level, of MMEngine's strategy and of `data_types`.
#include "keys.hpp"

// clang-format off: a row of the table is a line or two
namespace strata::deepspeed::rows {
namespace {

using C = DeepSpeedConfig;

constexpr const char* kTop = "";
constexpr const char* kTypes = "data_types";
constexpr const char* kDivision =
    "the loss is divided by the number of ranks before backward, so gradients are always prescaled";
constexpr const char* kTimers = "the run's log has the time of every iteration (IterTimerHook)";

}  // namespace

std::vector<Key> top_level() {
  return {
      // batch
      honoured(kTop, "train_batch_size", "", "[1, inf)", "samples of one update, all ranks together",
               [](C& c) -> auto& { return c.batch.train; }),
      honoured(kTop, "train_micro_batch_size_per_gpu", "", "[1, inf)", "samples of one rank's iteration",
               [](C& c) -> auto& { return c.batch.micro; }),
      honoured(kTop, "gradient_accumulation_steps", "", "[1, inf)", "iterations that make one update",
               [](C& c) -> auto& { return c.batch.accumulation; }),
      // gradients
      honoured(kTop, "gradient_clipping", "", "[0, inf)", "global L2 norm; 0: off",
               [](C& c) -> auto& { return c.gradient_clipping; }),
      honoured(kTop, "gradient_allreduce_op", "\"mean\"", "mean|sum", "over ranks; any letter case",
               [](C& c) -> auto& { return c.gradient_allreduce_op; }),
      honoured(kTop, "communication_data_type", "", "fp16|bf16|fp32", "what gradients travel in; absent: what they are",
               [](C& c) -> auto& { return c.communication_data_type; }),
      ignored(kTop, "prescale_gradients", Kind::kBool, "false", kDivision),
      ignored(kTop, "gradient_predivide_factor", Kind::kFloat, "1.0", kDivision),
      refused(kTop, "sparse_gradients", Kind::kBool, "false",
              "embedding gradients are dense tensors here, and are exchanged as such"),
      refused(kTop, "managed_gradient_accumulation", Kind::kBool, "true",
              "the host's loop closes every accumulation window itself"),
      // data_types
      section(kTop, "data_types", "what numbers are kept in"),
      honoured(kTypes, "grad_accum_dtype", "\"fp32\"", "fp32|bf16|fp16",
               "what gradients of several micro-batches are added in; DeepSpeed adds in the model's",
               [](C& c) -> auto& { return c.grad_accum_dtype; }),
      honoured(kTypes, "param_dtype", "", "fp32|bf16|fp16", "must be what fp16 and bf16 say",
               [](C& c) -> auto& { return c.param_dtype; }),
      refused(kTypes, "buffer_dtype", Kind::kText, "", "buffers keep the type the model gave them"),
      // what the run's own sections say
      section(kTop, "optimizer", "becomes optim_wrapper.optimizer"),
      unused("optimizer", "type", Kind::kText, "", "see contribute.cpp"),
      unused("optimizer", "params", Kind::kTable, "", "see contribute.cpp"),
      unused("optimizer", "legacy_fusion", Kind::kBool, "false", "one fused update is all there is"),
      section(kTop, "scheduler", "becomes param_scheduler"),
      unused("scheduler", "type", Kind::kText, "", "see contribute.cpp"),
      unused("scheduler", "params", Kind::kTable, "", "see contribute.cpp"),
      unused(kTop, "zero_allow_untested_optimizer", Kind::kBool, "false", "every optimizer goes with every strategy"),
      unused(kTop, "zero_force_ds_cpu_optimizer", Kind::kBool, "true", "there is one implementation of each optimizer"),
      // MMEngine's own
      {kTop, "config", Kind::kAny, "", "", Fate::kUnused, "a JSON file or a table; see read.cpp"},
      {kTop, "inputs_to_half", Kind::kAny, "", "", Fate::kHonoured,
       "positions or names of batch fields that are cast to the model's type",
       [](C& c, const Value& value) {
         for (const Value& item : value.as_list()) {
           c.inputs_to_half.push_back(item.is_text() ? HalfInput{-1, item.as_text()} : HalfInput{item.as_int(), {}});
         }
       }},
      refused(kTop, "exclude_frozen_parameters", Kind::kBool, "false",
              "a checkpoint holds frozen parameters like all others"),
  };
}

std::vector<Key> logs_and_others() {
  return {
      // logs
      ignored(kTop, "steps_per_print", Kind::kInt, "",
              "default_hooks.logger.interval sets how often a line is written"),
      ignored(kTop, "wall_clock_breakdown", Kind::kBool, "false", kTimers),
      ignored(kTop, "memory_breakdown", Kind::kBool, "false", "the run's log has the peak memory of every line"),
      ignored(kTop, "dump_state", Kind::kBool, "false", "work_dir has the resolved configuration"),
      ignored(kTop, "log_level", Kind::kText, "", "the run's own log_level counts"),
      section(kTop, "timers", "of DeepSpeed's engine"),
      section("timers", "throughput", "samples per second"),
      ignored("timers.throughput", "enabled", Kind::kBool, "true", kTimers),
      ignored("timers.throughput", "synchronized", Kind::kBool, "true", kTimers),
      // other
      ignored(kTop, "dataloader_drop_last", Kind::kBool, "false",
              "train_dataloader.drop_last is what the loader reads"),
      unused(kTop, "disable_allgather", Kind::kBool, "false", "DeepSpeed does not read it either"),
      unused(kTop, "vocabulary_size", Kind::kInt, "", "DeepSpeed warns by it and does nothing else"),
      ignored(kTop, "graph_harvesting", Kind::kBool, "false", "there are no CUDA graphs to reuse"),
      refused(kTop, "sequence_parallel_size", Kind::kInt, "1", "sequences are not split over ranks"),
      ignored(kTop, "seq_parallel_communication_data_type", Kind::kText, "\"fp32\"",
              "sequences are not split over ranks"),
      refused(kTop, "use_data_before_expert_parallelism", Kind::kBool, "false", "experts are not split over ranks"),
  };
}

}  // namespace strata::deepspeed::rows
