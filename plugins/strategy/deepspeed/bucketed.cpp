// Stages 0 to 2 over the kit's buckets.
#include "bucketed.hpp"

#include "placement.hpp"

namespace strata::deepspeed {

strata_strategy_caps Bucketed::describe() const {
  return base_caps(config_);
}

// Gradients can wait, whole, where they are summed only if they are kept in the type they travel in.
bool Bucketed::whole_gradients() const {
  return config_.zero.stage < 2 && (config_.communication_data_type.empty() ||
                                    config_.communication_data_type == config_.grad_accum_dtype);
}

kit::BucketedOptions Bucketed::options(const kit::Mesh& mesh) const {
  kit::BucketedOptions out;
  out.placement = [this, &mesh](const strata_param_desc& p) { return placement(config_, p, mesh); };
  out.bucket_elements = config_.zero.reduce_bucket_size;
  out.whole_gradients = whole_gradients();
  out.overlap = config_.zero.overlaps();
  out.when_late = "use zero_optimization.stage = 2 or 3, which add what comes late";
  return out;
}

void Bucketed::estimate(const strata_estimate_args& args, strata_estimate& out) {
  const kit::Mesh mesh =
      config_.zero.stage > 0 ? kit::Mesh(1, args.world_size) : kit::Mesh(args.world_size, 1);
  kit::BucketedShards shards;
  shards.plan(nullptr, ModelView{args.model}, options(mesh));
  shards.estimate(args, out);
}

void Bucketed::setup_env(const strata_setup_args& args) {
  mesh_ = config_.zero.stage > 0 ? kit::Mesh(runtime(), args.rank, 1, args.world_size)
                                 : kit::Mesh(runtime(), args.rank, args.world_size, 1);
}

void Bucketed::plan_units(const ModelView& model, std::span<strata_unit_plan> plan) {
  shards_.plan(runtime(), model, options(mesh_));
  shards_.fill_plan(plan);
  cast_inputs(config_, runtime());
}

}  // namespace strata::deepspeed
