// The keys of zero_optimization.
#include "keys.hpp"

// clang-format off: a row of the table is a line or two
namespace strata::deepspeed::rows {
namespace {

using C = DeepSpeedConfig;

constexpr const char* kLeaf = "zero_optimization.leaf_module";
constexpr const char* kTraffic =
    "parameters travel unit by unit with what prefetch allows; nothing is gathered in one piece";
constexpr const char* kWhole = "a checkpoint holds whole weights at every stage";
constexpr const char* kPlusPlus = "ZeRO++ is not implemented: traffic is neither quantised nor kept in small groups";
constexpr const char* kDebug = "debug.poison_memory = true finds what it looks for";

std::vector<Key> common() {
  return {
      section("", "zero_optimization", "true is stage 1"),
      honoured(kZero, "stage", "0", "[0, 3]", "what is sharded: optimizer, gradients, parameters",
               [](C& c) -> auto& { return c.zero.stage; }),
      honoured(kZero, "reduce_bucket_size", "5e8", "[1, inf)", "stages 0 to 2: elements of a gradient bucket; stage 3 reduces by modules",
               [](C& c) -> auto& { return c.zero.reduce_bucket_size; }),
      honoured(kZero, "overlap_comm", "", "", "reduce while backward runs; absent: at stage 3",
               [](C& c) -> auto& { return c.zero.overlap_comm; }),
      ignored(kZero, "contiguous_gradients", Kind::kBool, "true",
              "gradients are written into buckets as they come, always"),
      ignored(kZero, "reduce_scatter", Kind::kBool, "true",
              "from stage 1 on each rank receives its own slice only, always"),
      ignored(kZero, "round_robin_gradients", Kind::kBool, "false",
              "every bucket is cut into equal slices, so no rank has more to do"),
      ignored(kZero, "ignore_unused_parameters", Kind::kBool, "true",
              "a parameter that backward did not reach on any rank stays still; it is no error"),
      ignored(kZero, "use_multi_rank_bucket_allreduce", Kind::kBool, "true",
              "a bucket is reduced and scattered in one collective"),
      ignored(kZero, "allgather_partitions", Kind::kBool, "true", kTraffic),
      ignored(kZero, "allgather_bucket_size", Kind::kInt, "5e8", kTraffic),
      unused(kZero, "load_from_fp32_weights", Kind::kBool, "true", "a checkpoint holds the fp32 weights"),
      unused(kZero, "elastic_checkpoint", Kind::kBool, "false", "checkpoints fit every number of ranks"),
      refused(kZero, "legacy_stage1", Kind::kBool, "false", "DeepSpeed itself refuses it"),
      refused(kZero, "mics_shard_size", Kind::kInt, "-1",
              "MiCS is not implemented; use FSDPStrategy with HYBRID_SHARD"),
      refused(kZero, "mics_hierarchical_params_gather", Kind::kBool, "false", "MiCS is not implemented"),
      refused(kZero, "zero_hpz_partition_size", Kind::kInt, "1", kPlusPlus),
      refused(kZero, "zero_quantized_weights", Kind::kBool, "false", kPlusPlus),
      refused(kZero, "zero_quantized_nontrainable_weights", Kind::kBool, "false", kPlusPlus),
      refused(kZero, "zero_quantized_gradients", Kind::kBool, "false", kPlusPlus),
      refused(kZero, "zeropp_loco_param", Kind::kTable, "{}", kPlusPlus),
      refused(kZero, "zenflow", Kind::kTable, "", "ZenFlow is not implemented"),
      unused(kZero, "pipeline_loading_checkpoint", Kind::kBool, "false", "of DeepSpeed's loader"),
      unused(kZero, "override_module_apply", Kind::kBool, "true", "parameters are made whole before they are cut"),
      unused(kZero, "memory_efficient_linear", Kind::kBool, "true", "autograd saves no gathered weight twice"),
      unused(kZero, "save_muon_momentum_buffer_in_memory", Kind::kBool, "false", "of the Muon optimizer"),
      ignored(kZero, "enable_sanity_checks", Kind::kBool, "false", kDebug),
  };
}

std::vector<Key> stage_three() {
  return {
      ignored(kZero, "sub_group_size", Kind::kInt, "1e9",
              "the update goes over a rank's shards in one pass and needs no memory beside them"),
      honoured(kZero, "stage3_prefetch_bucket_size", "5e7", "[0, inf)", "elements gathered ahead",
               [](C& c) -> auto& { return c.zero.prefetch_bucket_size; }),
      honoured(kZero, "stage3_param_persistence_threshold", "1e5", "[0, inf)", "smaller parameters stay gathered",
               [](C& c) -> auto& { return c.zero.param_persistence_threshold; }),
      honoured(kZero, "stage3_model_persistence_threshold", "9223372036854775807", "[0, inf)",
               "elements that may stay gathered in all",
               [](C& c) -> auto& { return c.zero.model_persistence_threshold; }),
      honoured(kZero, "stage3_max_live_parameters", "1e9", "[0, inf)", "elements gathered at a time",
               [](C& c) -> auto& { return c.zero.max_live_parameters; }),
      honoured(kZero, "stage3_max_reuse_distance", "1e9", "[0, inf)",
               "a parameter needed again within so many elements is kept",
               [](C& c) -> auto& { return c.zero.max_reuse_distance; }),
      ignored(kZero, "stage3_module_granularity_threshold", Kind::kInt, "0",
              "name modules that shall be one in leaf_module"),
      section(kZero, "leaf_module", "modules that are gathered and released as one"),
      honoured(kLeaf, "classes", "", "", "by the name of their type",
               [](C& c) -> auto& { return c.zero.leaf_classes; }),
      honoured(kLeaf, "names", "", "", "by their path", [](C& c) -> auto& { return c.zero.leaf_names; }),
      honoured(kLeaf, "name_suffixes", "", "", "by the end of their path",
               [](C& c) -> auto& { return c.zero.leaf_name_suffixes; }),
      ignored(kZero, "log_trace_cache_warnings", Kind::kBool, "false",
              "several orders of use are remembered, so no trace is lost when the graph changes"),
      ignored(kZero, "stage3_gather_16bit_weights_on_model_save", Kind::kBool, "false", kWhole),
      renamed(kZero, "stage3_gather_fp16_weights_on_model_save", "stage3_gather_16bit_weights_on_model_save"),
      ignored(kZero, "stage3_use_all_reduce_for_fetch_params", Kind::kBool, "false",
              "parameters are gathered by all-gather"),
      ignored(kZero, "stage3_allgather_sequential", Kind::kBool, "false",
              "a unit's parameters lie side by side and are gathered at once"),
      alias(kZero, "prefetch_bucket_size", "stage3_prefetch_bucket_size"),
      alias(kZero, "param_persistence_threshold", "stage3_param_persistence_threshold"),
      alias(kZero, "model_persistence_threshold", "stage3_model_persistence_threshold"),
      alias(kZero, "max_live_parameters", "stage3_max_live_parameters"),
      alias(kZero, "max_reuse_distance", "stage3_max_reuse_distance"),
      alias(kZero, "module_granularity_threshold", "stage3_module_granularity_threshold"),
      alias(kZero, "gather_16bit_weights_on_model_save", "stage3_gather_16bit_weights_on_model_save"),
      alias(kZero, "use_all_reduce_for_fetch_params", "stage3_use_all_reduce_for_fetch_params"),
      alias(kZero, "allgather_sequential", "stage3_allgather_sequential"),
  };
}

}  // namespace

std::vector<Key> zero() {
  std::vector<Key> all = common();
  for (Key& key : stage_three()) {
    all.push_back(std::move(key));
  }
  return all;
}

}  // namespace strata::deepspeed::rows
