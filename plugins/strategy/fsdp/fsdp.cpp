// FSDPStrategy: parameters, gradients and optimizer state cut over ranks; a unit is whole only while it is used.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "strata/kit/sharded_strategy.hpp"

#include "config.hpp"
#include "wrap_policy.hpp"

namespace {

using strata::fsdp::BackwardPrefetch;
using strata::fsdp::Sharding;
using strata::fsdp::WrapperConfig;
using strata::kit::Mesh;
using strata::kit::ParamPlacement;
using strata::kit::ShardedOptions;
using strata::kit::ShardedUnits;

struct FsdpConfig {
  strata::Node model_wrapper;
  strata::Node state_dict_cfg;
  strata::Node activation_checkpointing;
  bool skip_init_weights = false;
};

struct Shape {
  int32_t replicas;
  int32_t shards;
};

bool is_half(int32_t dtype) {
  return dtype == STRATA_F16 || dtype == STRATA_BF16;
}

class FsdpStrategy final : public strata::kit::ShardedStrategy {
 public:
  explicit FsdpStrategy(const FsdpConfig& config)
      : config_(strata::fsdp::read_wrapper(config.model_wrapper)) {
    strata::fsdp::check_state_dict_cfg(config.state_dict_cfg);
    if (config.activation_checkpointing) {
      throw strata::config_error(
          config.activation_checkpointing.where(),
          "activation_checkpointing belongs to the top level of the configuration: "
          "activation_checkpointing = { type = \"full\" }");
    }
  }

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    const strata::ModelView model{args.model};
    const Shape shape = mesh_shape(args.world_size, args.world_size);
    const Mesh mesh(shape.replicas, shape.shards);
    const Mesh replicated(args.world_size, 1);
    ShardedUnits units;
    units.plan(
        nullptr, model, strata::fsdp::wrap_units(model, config_), options(model, mesh, replicated));
    units.estimate(args, out);
  }

  // Without a policy of the user's the whole model is one unit, which is no choice worth a row.
  [[nodiscard]] std::vector<strata::EstimateVariant> estimate_variants() const override {
    const bool wraps = config_.policy.kind != strata::fsdp::WrapPolicy::Kind::kRootOnly;
    std::vector<strata::EstimateVariant> out;
    for (const std::string name : {"FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD", "HYBRID_SHARD"}) {
      const std::string sharding = "model_wrapper.sharding_strategy = \"" + name + "\"\n";
      const std::string policy =
          wraps ? "" : "model_wrapper.auto_wrap_policy = \"always_wrap_policy\"\n";
      out.push_back({wraps ? name : name + " always_wrap_policy", sharding + policy});
    }
    return out;
  }

  void setup_env(const strata_setup_args& args) override {
    const Shape shape = mesh_shape(args.world_size, args.local_world_size);
    mesh_ = Mesh(runtime(), args.rank, shape.replicas, shape.shards);
    replicated_ = Mesh(runtime(), args.rank, args.world_size, 1);
  }

  void plan_units(const strata::ModelView& model, std::span<strata_unit_plan> plan) override {
    const std::vector<int32_t> owners = strata::fsdp::wrap_units(model, config_);
    units_.plan(runtime(), model, owners, options(model, mesh_, replicated_));
    for (size_t u = 0; u < plan.size(); ++u) {
      plan[u].owner = owners[u];
      plan[u].events = STRATA_EVENT_ALL;
    }
    cast_inputs(owners);
    log_plan(model, owners);
  }

 private:
  [[nodiscard]] bool hybrid() const {
    return config_.sharding == Sharding::kHybrid || config_.sharding == Sharding::kHybridGradOp;
  }

  [[nodiscard]] Shape mesh_shape(int32_t world, int32_t local_world) const {
    const auto& mesh = config_.device_mesh;
    if (mesh.empty()) {
      if (config_.sharding == Sharding::kNone) {
        return {world, 1};
      }
      return hybrid() ? Shape{world / local_world, local_world} : Shape{1, world};
    }
    const int64_t shards = mesh.back();
    const int64_t replicas = mesh.size() == 2 ? mesh.front() : 1;
    if (shards * replicas != world) {
      throw strata::config_error(config_.mesh_where,
                                 "device_mesh has ",
                                 replicas,
                                 " x ",
                                 shards,
                                 " places for ",
                                 world,
                                 " rank(s); their product must be the number of ranks");
    }
    if (!hybrid() && replicas > 1) {
      throw strata::config_error(config_.mesh_where,
                                 "device_mesh with replicas needs sharding_strategy = "
                                 "\"HYBRID_SHARD\"");
    }
    return config_.sharding == Sharding::kNone
               ? Shape{world, 1}
               : Shape{static_cast<int32_t>(replicas), static_cast<int32_t>(shards)};
  }

  [[nodiscard]] ParamPlacement placement(const strata::ModelView& model,
                                         const strata_param_desc& p,
                                         const Mesh& mesh,
                                         const Mesh& replicated) const {
    const auto& precision = config_.precision;
    const bool ignored = strata::fsdp::matches(config_.ignored, strata::view(p.name));
    const auto type = strata::view(model.units()[static_cast<size_t>(p.unit)].type);
    const bool whole_precision =
        ignored || strata::fsdp::matches(precision.modules_to_ignore, type);
    ParamPlacement out;
    out.mesh = ignored ? &replicated : &mesh;
    out.value_dtype = whole_precision ? p.dtype : precision.param_dtype.value_or(p.dtype);
    out.master_dtype = is_half(p.dtype) ? STRATA_F32 : p.dtype;
    out.reduce_dtype = precision.reduce_dtype.value_or(out.master_dtype);
    out.grad_dtype = precision.keep_low_precision_grads ? out.reduce_dtype : out.master_dtype;
    return out;
  }

  [[nodiscard]] ShardedOptions options(const strata::ModelView& model,
                                       const Mesh& mesh,
                                       const Mesh& replicated) const {
    ShardedOptions out;
    out.placement = [this, model, &mesh, &replicated](const strata_param_desc& p) {
      return placement(model, p, mesh, replicated);
    };
    out.buffer_dtype = [this](const strata_unit_desc& unit) {
      const auto& precision = config_.precision;
      return strata::fsdp::matches(precision.modules_to_ignore, strata::view(unit.type))
                 ? std::nullopt
                 : precision.buffer_dtype;
    };
    out.reshard_after_forward =
        config_.sharding == Sharding::kFull || config_.sharding == Sharding::kHybrid;
    out.keep_root = true;
    out.reduce_every_micro = !config_.no_sync;
    out.forward.units = config_.forward_prefetch ? 1 : 0;
    out.backward.units = config_.backward_prefetch == BackwardPrefetch::kOff ? 0 : 1;
    out.prefetch_after_release = config_.backward_prefetch == BackwardPrefetch::kPost;
    return out;
  }

  void cast_inputs(const std::vector<int32_t>& owners) const {
    const auto& precision = config_.precision;
    if (!precision.param_dtype) {
      return;
    }
    const auto& api = strata::service<strata_autograd_api>();
    for (size_t u = 0; u < owners.size(); ++u) {
      const bool wanted =
          u == 0 ? precision.cast_root_forward_inputs
                 : precision.cast_forward_inputs && owners[u] == static_cast<int32_t>(u);
      if (wanted) {
        strata::check(api.cast_inputs(
            runtime(), static_cast<int32_t>(u), *precision.param_dtype, nullptr, 0));
      }
    }
  }

  void log_plan(const strata::ModelView& model, const std::vector<int32_t>& owners) const {
    std::vector<int64_t> elements(owners.size(), 0);
    for (const strata_param_desc& p : model.params()) {
      elements[static_cast<size_t>(owners[static_cast<size_t>(p.unit)])] += p.numel;
    }
    size_t wrapped = 0;
    int64_t largest = 0;
    for (size_t u = 1; u < owners.size(); ++u) {
      wrapped += owners[u] == static_cast<int32_t>(u) ? 1 : 0;
      largest = std::max(largest, elements[u]);
    }
    info("FSDP: ",
         wrapped,
         " wrapped units (the largest has ",
         largest,
         " parameters) and the root (",
         elements[0],
         "), over ",
         mesh_.replicas(),
         " x ",
         mesh_.shards(),
         " replicas x shards");
  }

  WrapperConfig config_;
  Mesh mesh_;
  Mesh replicated_;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<FsdpStrategy, FsdpConfig>("FSDPStrategy")
        .doc(
            "Parameters, gradients and optimizer state cut over ranks; units are gathered for use.")
        .field(
            "model_wrapper",
            &FsdpConfig::model_wrapper,
            "sharding_strategy, device_mesh, auto_wrap_policy, mixed_precision, backward_prefetch, "
            "forward_prefetch, no_sync, ignored_parameters, …")
        .field("state_dict_cfg",
               &FsdpConfig::state_dict_cfg,
               "\"full\" or \"local\": the same files")
        .field("activation_checkpointing",
               &FsdpConfig::activation_checkpointing,
               "refused: a key of the top level")
        .field("skip_init_weights",
               &FsdpConfig::skip_init_weights,
               "accepted; weights are never made twice"));
