// DDPStrategy: a full model on every rank; gradients are summed over ranks in buckets while backward still runs.
#include <optional>
#include <string>
#include <vector>

#include "strata/kit/bucket_order.hpp"
#include "strata/kit/buckets.hpp"

namespace {

struct WrapperConfig {
  std::string type = "MMDistributedDataParallel";
  bool broadcast_buffers = false;
  bool find_unused_parameters = false;
  bool static_graph = false;
  bool gradient_as_bucket_view = true;
  double bucket_cap_mb = 25;
};

struct DdpConfig {
  std::optional<std::string> sync_bn;
  strata::Node model_wrapper;
};

WrapperConfig read_wrapper(const strata::Node& table) {
  if (!table) {
    return {};
  }
  strata::Fields<WrapperConfig> fields;
  fields.add("type", &WrapperConfig::type, "", "", false);
  fields.add("broadcast_buffers", &WrapperConfig::broadcast_buffers, "", "", false);
  fields.add("find_unused_parameters", &WrapperConfig::find_unused_parameters, "", "", false);
  fields.add("static_graph", &WrapperConfig::static_graph, "", "", false);
  fields.add("gradient_as_bucket_view", &WrapperConfig::gradient_as_bucket_view, "", "", false);
  fields.add("bucket_cap_mb", &WrapperConfig::bucket_cap_mb, "", "", false);
  const WrapperConfig config = fields.read(table);
  if (config.type != "MMDistributedDataParallel" && config.type != "DistributedDataParallel") {
    throw strata::config_error(table.find("type").where(),
                               "model_wrapper.type \"",
                               config.type,
                               "\" is unknown to DDPStrategy; it has MMDistributedDataParallel");
  }
  if (config.broadcast_buffers) {
    throw strata::config_error(
        table.find("broadcast_buffers").where(),
        "broadcast_buffers = true is not supported: buffers stay each rank's own; use "
        "sync_bn = \"torch\" for batch-norm statistics over all ranks");
  }
  if (config.bucket_cap_mb <= 0) {
    throw strata::config_error(table.find("bucket_cap_mb").where(),
                               "bucket_cap_mb = ",
                               config.bucket_cap_mb,
                               " must be above 0");
  }
  return config;
}

class DdpStrategy final : public strata::Strategy {
 public:
  explicit DdpStrategy(const DdpConfig& config)
      : config_(config), wrapper_(read_wrapper(config.model_wrapper)) {}

  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    strata::kit::estimate_replicated(args, out);
    const int64_t n = args.world_size;
    out.sent_bytes_per_step = 2 * (n - 1) * out.grad_bytes / n;
  }

  void setup_env(const strata_setup_args& args) override {
    world_size_ = args.world_size;
    if (world_size_ > 1) {
      world_ = strata::Group::world(runtime());
    }
    if (config_.sync_bn && world_size_ > 1) {
      strata::check(
          strata::service<strata_autograd_api>().set_batch_norm_sync(runtime(), world_.c()));
    }
  }

  void plan_units(const strata::ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    for (strata_unit_plan& unit : plan) {
      unit.owner = 0;
    }
    plan[0].events = world_size_ > 1 ? STRATA_EVENT_GRAD_READY : 0;
  }

  void materialize(int32_t) override {
    constexpr double kMiB = 1024.0 * 1024.0;
    constexpr int64_t kFirstBucket = 1 << 20;
    const auto cap = static_cast<int64_t>(wrapper_.bucket_cap_mb * kMiB);
    store_ = strata::kit::FlatStore(
        runtime(), model_, strata::kit::make_buckets(model_, cap, std::min(cap, kFirstBucket)));
    std::vector<size_t> bucket_of;
    for (size_t p = 0; p < model_.params().size(); ++p) {
      bucket_of.push_back(store_.bucket_of(static_cast<int32_t>(p)));
    }
    std::vector<int64_t> waits_for;
    for (const strata::kit::Bucket& b : store_.buckets()) {
      waits_for.push_back(b.trainable ? static_cast<int64_t>(b.slots.size()) : 0);
    }
    order_ = strata::kit::BucketOrder(
        std::move(bucket_of), std::move(waits_for), strata::kit::BucketOrder::Late::kRefused);
  }

  void optim_views(const strata::OptimViewSink& out) override { store_.optim_views(out); }

  void iter_begin(const strata_step_ctx&) override {
    works_.clear();
    order_.begin();
    next_ = 0;
  }

  void grad_ready(int32_t param, const strata_step_ctx& ctx) override {
    if ((ctx.flags & STRATA_CTX_LAST_MICRO) == 0) {
      return;
    }
    const auto name = strata::view(model_.params()[static_cast<size_t>(param)].name);
    const size_t ready =
        order_.note(param, name, "set model_wrapper.find_unused_parameters = true");
    launch_up_to(ready);
  }

  void backward_done(const strata_step_ctx& ctx) override {
    if (world_size_ == 1 || (ctx.flags & STRATA_CTX_LAST_MICRO) == 0) {
      return;
    }
    launch_up_to(store_.buckets().size());
    for (size_t i = 0; i < works_.size(); ++i) {
      works_[i].wait();
      if (store_.buckets()[i].trainable) {
        store_.read_touched(store_.buckets()[i]);
      }
    }
    works_.clear();
    if (!wrapper_.find_unused_parameters) {
      order_.learn();
    }
  }

  void abort_iter(const strata_step_ctx&) noexcept override { works_.clear(); }

 private:
  void launch_up_to(size_t end) {
    while (next_ < end) {
      launch(next_++);
    }
  }

  void launch(size_t index) {
    const strata::kit::Bucket& b = store_.buckets()[index];
    if (!b.trainable) {
      works_.emplace_back();
      return;
    }
    store_.mark_touched(b);
    works_.push_back(world_.all_reduce(store_.grads(b), b.numel_with_marks(), b.dtype));
  }

  DdpConfig config_;
  WrapperConfig wrapper_;
  int32_t world_size_ = 1;
  strata::Group world_;
  strata::ModelView model_;
  strata::kit::FlatStore store_;
  strata::kit::BucketOrder order_;
  size_t next_ = 0;  // the bucket that goes out next
  std::vector<strata::Work> works_;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<DdpStrategy, DdpConfig>("DDPStrategy")
        .doc("The whole model on every rank, gradients summed in buckets.")
        .field("sync_bn", &DdpConfig::sync_bn, "batch-norm statistics over all ranks", "torch")
        .field("model_wrapper",
               &DdpConfig::model_wrapper,
               "type, bucket_cap_mb, find_unused_parameters, broadcast_buffers, static_graph"));
