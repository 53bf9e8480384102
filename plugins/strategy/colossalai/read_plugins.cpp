// The arguments of GeminiPlugin and LowLevelZeroPlugin.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "read_settings.hpp"
#include "table.hpp"

namespace strata::colossalai {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr Table::Range kShare = {0, 1};
constexpr Table::Range kSomeShare = {0, 1, false};
constexpr Table::Range kNotNegative = {0, kInf};
constexpr Table::Range kPositive = {0, kInf, false};
constexpr Table::Range kScale = {0, std::numeric_limits<float>::max(), false};  // losses are floats
constexpr double kMi = 1 << 20;

int32_t dtype_of(std::string_view name) {
  if (name.ends_with("float16") && !name.ends_with("bfloat16")) {
    return STRATA_F16;
  }
  return name == "fp16"                                           ? STRATA_F16
         : name.starts_with("bf16") || name.ends_with("bfloat16") ? STRATA_BF16
                                                                  : STRATA_F32;
}

void read_scaler(Table& table, Common& out) {
  Scaler& s = out.scaler;
  table.read("initial_scale", s.initial_scale, kScale);
  table.read("min_scale", s.min_scale, kScale);
  table.read("max_scale", s.max_scale, kScale);
  table.read("growth_factor", s.growth_factor, {1, kInf});
  table.read("backoff_factor", s.backoff_factor, {0, 1, false, false});
  table.read("growth_interval", s.growth_interval, 1);
  table.read("hysteresis", s.hysteresis, 1);
  if (s.min_scale > s.max_scale || s.initial_scale < s.min_scale || s.initial_scale > s.max_scale) {
    const char* given = table.find("initial_scale") ? "initial_scale"
                        : table.find("min_scale")   ? "min_scale"
                                                    : "max_scale";
    throw config_error(table.find(given).where(),
                       "plugin: the loss scale begins at ",
                       s.initial_scale,
                       " and stays in [",
                       s.min_scale,
                       ", ",
                       s.max_scale,
                       "]; initial_scale must lie there");
  }
  if (out.precision == STRATA_F16) {
    return;
  }
  for (const char* key : {"initial_scale",
                          "min_scale",
                          "max_scale",
                          "growth_factor",
                          "backoff_factor",
                          "growth_interval",
                          "hysteresis"}) {
    table.note(key, "has no effect: only fp16 scales the loss");
  }
}

void read_common(Table& table, Common& out) {
  table.find("type");
  const std::string precision = table.choice("precision", "fp16", {"fp16", "bf16", "fp32"});
  out.precision = dtype_of(precision);
  read_scaler(table, out);
  table.read("max_norm", out.max_norm, kNotNegative);
  double norm_type = 2;
  table.read("norm_type", norm_type, {2, 2});
  table.read("master_weights", out.master_weights);
  if (out.precision == STRATA_F32) {
    if (!out.master_weights) {
      table.note("master_weights", "has no effect: in fp32 parameters are their own masters");
    }
    out.master_weights = true;
  }
  table.read("extra_dp_size", out.extra_dp_size, 1, std::numeric_limits<int32_t>::max());
  if (const Node key = table.find("extra_dp_size")) {
    out.extra_dp_where = key.where();
  }
  table.read("verbose", out.verbose);
  table.refuse_true("use_fp8", "there is no fp8 arithmetic");
  table.refuse_true("fp8_communication",
                    "values travel as they are, gradients in communication_dtype");
}

// --- Gemini -----------------------------------------------------------------------------------------------------------

void refuse_old_placement(Table& table) {
  if (const Node node = table.find("placement_policy"); node && node.is_text()) {
    const std::string old = node.as_text();
    const char* now = old == "cuda" ? "\"static\""
                      : old == "cpu"
                          ? "\"static\" with shard_param_frac = 1.0, offload_optim_frac = 1.0 and "
                            "offload_param_frac = 1.0"
                      : old == "const" ? "\"static\" with the fractions that are wanted"
                                       : nullptr;
    if (now != nullptr) {
      throw config_error(
          node.where(), "plugin.placement_policy = \"", old, "\" is an old name; write ", now);
    }
  }
}

void read_placement(Table& table, GeminiConfig& out) {
  refuse_old_placement(table);
  out.auto_placement = table.choice("placement_policy", "static", {"static", "auto"}) == "auto";
  table.read("shard_param_frac", out.shard_param_frac, kShare);
  table.read("offload_optim_frac", out.offload_optim_frac, kShare);
  table.read("offload_param_frac", out.offload_param_frac, kShare);
  table.read("warmup_non_model_data_ratio", out.warmup_non_model_data_ratio, {0, 1, true, false});
  table.read("steady_cuda_cap_ratio", out.steady_cuda_cap_ratio, kSomeShare);
  table.read("gpu_margin_mem_ratio", out.gpu_margin_mem_ratio, kShare);
  int64_t device_memory_mb = 0;
  table.read("device_memory_mb", device_memory_mb, 1, std::numeric_limits<int64_t>::max() >> 20);
  out.device_bytes = device_memory_mb << 20;
  if (out.auto_placement) {
    for (const char* key : {"shard_param_frac", "offload_optim_frac", "offload_param_frac"}) {
      table.note(key, "has no effect: placement_policy = \"auto\" decides while running");
    }
    return;
  }
  for (const char* key : {"warmup_non_model_data_ratio",
                          "steady_cuda_cap_ratio",
                          "gpu_margin_mem_ratio",
                          "device_memory_mb"}) {
    table.note(key, "has no effect: it is for placement_policy = \"auto\"");
  }
  if (out.offload_param_frac > out.shard_param_frac) {
    throw config_error(table.find("offload_param_frac").where(),
                       "plugin.offload_param_frac = ",
                       out.offload_param_frac,
                       " is more than shard_param_frac = ",
                       out.shard_param_frac,
                       ": what stays gathered is on the device, only shards can leave it");
  }
}

int64_t read_dp_size(const std::string& key, const std::string& where) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), out);
  if (error != std::errc() || end != key.data() + key.size() || out < 1) {
    throw config_error(where, "plugin.chunk_config_dict: \"", key, "\" must be a number of ranks");
  }
  return out;
}

void read_chunk_configs(Table& table, GeminiConfig& out, std::vector<std::string>& notes) {
  const Node node = table.find("chunk_config_dict");
  if (!node) {
    return;
  }
  if (!node.is_table()) {
    throw config_error(node.where(),
                       "plugin.chunk_config_dict must be a table: { 2 = { chunk_size = 1048576, "
                       "keep_gathered = false } }");
  }
  for (uint64_t i = 0; i < node.size(); ++i) {
    const auto [key, entry] = node.entry(i);
    entry.mark_read();  // finish() below knows its keys
    ChunkConfig chunk;
    Table inner(entry, text("plugin.chunk_config_dict.", key), notes);
    if (!inner.find("chunk_size")) {
      throw config_error(
          entry.where(), "plugin.chunk_config_dict.", key, " needs a chunk_size, in elements");
    }
    inner.read("chunk_size", chunk.chunk_size, 1);
    inner.read("keep_gathered", chunk.keep_gathered);
    inner.finish();
    out.chunk_config_dict[read_dp_size(key, entry.where())] = chunk;
  }
}

void read_chunks(Table& table, GeminiConfig& out) {
  read_chunk_configs(table, out, out.notes);
  table.read("search_range_m", out.search_range_m, kNotNegative);
  table.read("hidden_dim", out.hidden_dim, 1);
  table.read("min_chunk_size_m", out.min_chunk_size_m, kPositive);
  table.read("enable_gradient_accumulation", out.gradient_accumulation);
  table.read("max_prefetch", out.max_prefetch, 0);
  table.read("enable_async_reduce", out.async_reduce);
}

void refuse_parallelism(Table& table) {
  int64_t tp_size = 1;
  table.read("tp_size", tp_size, 1);
  if (tp_size > 1) {
    throw config_error(table.find("tp_size").where(),
                       "plugin.tp_size = ",
                       tp_size,
                       " is not supported: layers are not cut over ranks; leave it at 1");
  }
  table.refuse_true("enable_all_optimization",
                    "it replaces layers of known models; ours are made with what they need");
  table.refuse_true("enable_fused_normalization",
                    "there are no fused layers to replace those of the model with");
  table.refuse_true("enable_flash_attention", "attention is the model's own choice");
  table.refuse_true("enable_sequence_parallelism", "it needs tp_size > 1, which is not there");
  table.refuse_true("enable_jit_fused", "there is no just-in-time compiler");
}

}  // namespace

LowLevelZeroConfig read_low_level_zero(const Node& node) {
  LowLevelZeroConfig out;
  out.scaler.initial_scale = out.scaler.max_scale;
  Table table(node, "plugin", out.notes);
  read_common(table, out);
  table.read("stage", out.stage, 1, 2);
  double bucket = 12;
  table.read("reduce_bucket_size_in_m", bucket, kPositive);
  out.bucket_elements = std::max<int64_t>(1, std::llround(bucket * kMi));
  if (table.find("communication_dtype")) {
    out.communication_dtype = dtype_of(table.choice("communication_dtype",
                                                    "",
                                                    {"fp16",
                                                     "bf16",
                                                     "fp32",
                                                     "float16",
                                                     "bfloat16",
                                                     "float32",
                                                     "torch.float16",
                                                     "torch.bfloat16",
                                                     "torch.float32"}));
  }
  table.read("overlap_communication", out.overlap_communication);
  table.read("overlap_allgather", out.overlap_allgather);
  table.read("cpu_offload", out.cpu_offload);
  table.read("cast_inputs", out.cast_inputs);
  if (out.precision == STRATA_F32) {
    table.note("cast_inputs", "has no effect: nothing is cast in fp32");
  }
  table.finish();
  return out;
}

GeminiConfig read_gemini(const Node& node) {
  GeminiConfig out;
  Table table(node, "plugin", out.notes);
  read_common(table, out);
  read_placement(table, out);
  read_chunks(table, out);
  refuse_parallelism(table);
  table.refuse_true("strict_ddp_mode",
                    "write strategy.type = \"DDPStrategy\" to keep everything on every rank");
  table.refuse("memstats", "statistics are of one process; the first iteration records them anew");
  table.without_effect("chunk_init_device", "a chunk is made where it will be kept");
  table.without_effect("force_outputs_fp32",
                       "losses are formed in fp32 whatever the model computes in");
  table.without_effect("pin_memory",
                       "memory of this machine is copied the same whether pinned or not");
  table.finish();
  return out;
}

}  // namespace strata::colossalai
