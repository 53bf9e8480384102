// Stage 3 over the kit's sharded units: every module that owns parameters is gathered by itself.
#include "stage3.hpp"

#include <algorithm>
#include <string_view>

#include "placement.hpp"

namespace strata::deepspeed {

strata_strategy_caps Stage3::describe() const {
  strata_strategy_caps caps = base_caps(config_);
  caps.owns_storage = 1;
  return caps;
}

void Stage3::estimate(const strata_estimate_args& args, strata_estimate& out) {
  const ModelView model{args.model};
  const kit::Mesh mesh(1, args.world_size);
  kit::ShardedUnits units;
  units.plan(nullptr, model, owners(model), options(model, mesh));
  units.estimate(args, out);
}

void Stage3::setup_env(const strata_setup_args& args) {
  mesh_ = kit::Mesh(runtime(), args.rank, 1, args.world_size);
}

void Stage3::plan_units(const ModelView& model, std::span<strata_unit_plan> plan) {
  const std::vector<int32_t> into = owners(model);
  units_.plan(runtime(), model, into, options(model, mesh_));
  for (size_t u = 0; u < plan.size(); ++u) {
    plan[u].owner = into[u];
    plan[u].events = STRATA_EVENT_ALL;
  }
  cast_inputs(config_, runtime());
}

kit::ShardedOptions Stage3::options(const ModelView& model, const kit::Mesh& mesh) const {
  const Zero& zero = config_.zero;
  kit::ShardedOptions out;
  out.placement = [this, &mesh, stays = persistent(model), first = model.params().data()](
                      const strata_param_desc& p) {
    kit::ParamPlacement placement = deepspeed::placement(config_, p, mesh);
    placement.resident = stays[static_cast<size_t>(&p - first)] != 0;
    return placement;
  };
  out.reduce_every_micro = true;
  out.overlap = zero.overlaps();
  const kit::Lookahead ahead = {std::numeric_limits<int64_t>::max(), zero.prefetch_bucket_size};
  out.forward = ahead;
  out.backward = ahead;
  out.max_live = zero.max_live_parameters;
  out.max_reuse_distance = zero.max_reuse_distance;
  return out;
}

// Small parameters stay, in the order of the model, until the cap on all of them together.
std::vector<uint8_t> Stage3::persistent(const ModelView& model) const {
  std::vector<uint8_t> out;
  int64_t total = 0;
  for (const strata_param_desc& p : model.params()) {
    const bool stays = p.numel <= config_.zero.param_persistence_threshold &&
                       total + p.numel <= config_.zero.model_persistence_threshold;
    total += stays ? p.numel : 0;
    out.push_back(stays ? 1 : 0);
  }
  return out;
}

bool Stage3::is_leaf(const ModelView& model, size_t unit) const {
  const Zero& zero = config_.zero;
  const std::string_view type = view(model.units()[unit].type);
  const std::string_view name = view(model.units()[unit].name);
  const auto has = [](const std::vector<std::string>& list, const auto& fits) {
    return std::any_of(list.begin(), list.end(), fits);
  };
  return has(zero.leaf_classes, [&](const std::string& s) { return s == type; }) ||
         has(zero.leaf_names, [&](const std::string& s) { return s == name; }) ||
         has(zero.leaf_name_suffixes, [&](const std::string& s) { return name.ends_with(s); });
}

// A leaf module is used and reduced as one: all below it is joined into it.
std::vector<int32_t> Stage3::owners(const ModelView& model) const {
  std::vector<int32_t> out(model.units().size(), 0);
  std::vector<uint8_t> inside(model.units().size(), 0);  // a leaf, or below one
  for (size_t u = 1; u < out.size(); ++u) {              // parents come before children
    const auto parent = static_cast<size_t>(model.units()[u].parent);
    out[u] = inside[parent] != 0 ? out[parent] : static_cast<int32_t>(u);
    inside[u] = inside[parent] != 0 || is_leaf(model, u) ? 1 : 0;
  }
  return out;
}

}  // namespace strata::deepspeed
