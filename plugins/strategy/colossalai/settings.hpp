// What a ColossalAIStrategy table says, read and checked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "strata/abi/strategy.h"
#include "strata/cpp/host.hpp"

namespace strata::colossalai {

/// Dynamic loss scaling of fp16; the optim_wrapper does it. Defaults: GeminiPlugin's; LowLevelZeroPlugin begins at 2^32.
struct STRATA_HIDDEN Scaler {
  double initial_scale = 65536;
  double min_scale = 1;
  double max_scale = 4294967296;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  int64_t growth_interval = 1000;
  int64_t hysteresis = 2;
};

/// What both plugins have.
struct STRATA_HIDDEN Common {
  int32_t precision = STRATA_F16;  // models of float64 stay so under fp32
  double max_norm = 0;             // 0: no clipping
  Scaler scaler;
  bool master_weights = true;
  int64_t extra_dp_size = 1;   // replicas of the shards
  std::string extra_dp_where;  // of the key, for errors
  bool verbose = false;

  std::vector<std::string> notes;  // one line for each key that is accepted without effect
};

/// The dtype that a parameter computes in.
STRATA_HIDDEN inline int32_t value_dtype(const Common& config, const strata_param_desc& param) {
  return config.precision == STRATA_F32 ? param.dtype : config.precision;
}

/// The dtype that the optimizer updates it in.
STRATA_HIDDEN inline int32_t master_dtype(const Common& config, const strata_param_desc& param) {
  if (!config.master_weights) {
    return value_dtype(config, param);
  }
  return param.dtype == STRATA_F64 ? STRATA_F64 : STRATA_F32;
}

/// `plugin = {type = "LowLevelZeroPlugin"}`: ZeRO stage 1 or 2.
struct STRATA_HIDDEN LowLevelZeroConfig : Common {
  int64_t stage = 1;
  int64_t bucket_elements = 12 << 20;
  std::optional<int32_t> communication_dtype;  // nothing: that of the parameters
  bool overlap_communication = true;
  bool overlap_allgather = false;
  bool cpu_offload = false;
  bool cast_inputs = true;
};

/// One entry of chunk_config_dict.
struct STRATA_HIDDEN ChunkConfig {
  int64_t chunk_size = 0;  // elements
  bool keep_gathered = false;
};

/// `plugin = {type = "GeminiPlugin"}`: parameters in chunks that are gathered, moved and evicted while running.
struct STRATA_HIDDEN GeminiConfig : Common {
  bool auto_placement = false;
  std::map<int64_t, ChunkConfig>
      chunk_config_dict;  // by number of ranks that share a chunk; no search for these
  bool gradient_accumulation = false;
  int64_t max_prefetch = 0;  // chunks
  double shard_param_frac = 1;
  double offload_optim_frac = 0;
  double offload_param_frac = 0;
  double warmup_non_model_data_ratio = 0.8;
  double steady_cuda_cap_ratio = 0.9;
  double gpu_margin_mem_ratio = 0;
  double search_range_m = 32;  // Mi elements
  int64_t hidden_dim = 1024;   // elements
  double min_chunk_size_m = 32;
  bool async_reduce = true;
  /// Of the pool that stands for a device (ours; `device_memory_mb`); 0: the machine's share of a rank.
  int64_t device_bytes = 0;
};

/// The whole table.
struct STRATA_HIDDEN Settings {
  std::variant<GeminiConfig, LowLevelZeroConfig> plugin;
  std::string where;     // of `plugin`, or what stands for it
  bool written = false;  // as a table, not by name

  [[nodiscard]] const Common& common() const {
    return *std::visit([](const Common& c) { return &c; }, plugin);
  }
};

}  // namespace strata::colossalai
