// What FSDPStrategy is told: torch's FullyShardedDataParallel arguments, as MMEngine's model_wrapper has them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "strata/cpp/plugin.hpp"

namespace strata::fsdp {

enum class Sharding { kFull, kGradOp, kNone, kHybrid, kHybridGradOp };

enum class BackwardPrefetch { kPre, kPost, kOff };

struct STRATA_HIDDEN WrapPolicy {
  enum class Kind { kRootOnly, kSize, kModules, kAlways };

  Kind kind = Kind::kRootOnly;
  int64_t min_num_params = 100'000'000;
  std::vector<std::string> force_leaf = {"MultiheadAttention"};
  std::vector<std::string> excluded = {"ModuleList", "ModuleDict"};
  std::vector<std::string> classes;  // unit types
  std::vector<std::string> names;    // unit names; a trailing "*" stands for any rest
};

struct STRATA_HIDDEN MixedPrecision {
  std::optional<int32_t> param_dtype;
  std::optional<int32_t> reduce_dtype;
  std::optional<int32_t> buffer_dtype;
  bool keep_low_precision_grads = false;
  bool cast_forward_inputs = false;
  bool cast_root_forward_inputs = true;
  std::vector<std::string> modules_to_ignore = {
      "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"};
};

struct STRATA_HIDDEN WrapperConfig {
  Sharding sharding = Sharding::kFull;
  std::vector<int64_t> device_mesh;
  std::string mesh_where;
  WrapPolicy policy;
  MixedPrecision precision;
  BackwardPrefetch backward_prefetch = BackwardPrefetch::kPre;
  bool forward_prefetch = false;
  bool no_sync = true;
  std::vector<std::string> ignored;  // parameter names; a trailing "*" stands for any rest
};

/// The table `model_wrapper`, or defaults for an empty node. Errors: STRATA_E_CONFIG with the place.
WrapperConfig read_wrapper(const Node& table);

/// "full", "local", or MMEngine's table; both write the same files.
void check_state_dict_cfg(const Node& node);

/// Whether the name is the pattern, or begins with what comes before its trailing "*".
bool matches(const std::vector<std::string>& patterns, std::string_view name);

}  // namespace strata::fsdp
