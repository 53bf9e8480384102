// FlatDataParallelStrategy: a full model on every rank, one flat buffer, one all-reduce per update.
#include <vector>

#include "strata/cpp/strategy.hpp"
#include "strata/kit/buckets.hpp"

namespace {

constexpr int64_t kBytes = 4;   // of a float, the one element type here
constexpr int64_t kAlign = 16;  // elements, 64 bytes: off it, kernels may round otherwise

class FlatDataParallel final : public strata::Strategy {
 public:
  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    strata::kit::estimate_replicated(args, out);
    out.sent_bytes_per_step = 2 * (args.world_size - 1) * out.grad_bytes / args.world_size;
  }

  void setup_env(const strata_setup_args& args) override {
    world_size_ = args.world_size;
    world_ = strata::Group::world(runtime());
  }

  // No events: nothing happens before the whole backward is done. All units are joined into the
  // root, so materialize() is called once.
  void plan_units(const strata::ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    for (strata_unit_plan& unit : plan) {
      unit = {.owner = 0, .events = 0};
    }
    grads_end_ = lay_out(true, 0);
    n_trainable_ = segments_.size();
    values_end_ = lay_out(false, grads_end_);
  }

  // Every rank draws the same initial values, so nothing is broadcast.
  void materialize(int32_t) override {
    const int64_t with_marks = grads_end_ + static_cast<int64_t>(n_trainable_);
    values_ = strata::Buffer(runtime(), values_end_ * kBytes, STRATA_BUFFER_ZEROED, "param");
    grads_ = strata::Buffer(runtime(), with_marks * kBytes, STRATA_BUFFER_ZEROED, "grad");
    const strata::Params params(runtime());
    for (size_t i = 0; i < segments_.size(); ++i) {
      const strata_segment& s = segments_[i];
      const int64_t at = s.view_offset * kBytes;
      params.bind_view(s.param, values_, at, STRATA_F32);
      if (i < n_trainable_) {
        params.bind_grad_view(s.param, grads_, at, STRATA_F32);
      }
    }
    for (size_t unit = 0; unit < model_.units().size(); ++unit) {
      params.init_unit(static_cast<int32_t>(unit));
    }
  }

  void optim_views(const strata::OptimViewSink& out) override {
    strata_optim_view all = {};
    all.value = values_.c();
    all.grad = grads_.c();
    all.numel = grads_end_;
    all.value_dtype = all.grad_dtype = STRATA_F32;
    all.segments = segments_.data();
    all.n_segments = n_trainable_;
    out.put(all);
  }

  // The micro-batches of a window add up in the gradient buffer; the last one's backward sends it.
  // The host seeds backward with 1 / world_size, so the plain sum over ranks is the mean.
  void backward_done(const strata_step_ctx& ctx) override {
    if (world_size_ == 1 || (ctx.flags & STRATA_CTX_LAST_MICRO) == 0) {
      return;
    }
    // With a mark for each parameter: what any rank's backward reached is updated on all ranks.
    auto* const grads = grads_.data<float>();
    float* const marks = grads + grads_end_;
    const strata::Params params(runtime());
    for (size_t i = 0; i < n_trainable_; ++i) {
      marks[i] = params.touched(segments_[i].param) ? 1.0F : 0.0F;
    }
    const int64_t count = grads_end_ + static_cast<int64_t>(n_trainable_);
    world_.all_reduce(grads, count, STRATA_F32).wait();
    for (size_t i = 0; i < n_trainable_; ++i) {
      params.set_touched(segments_[i].param, marks[i] != 0.0F);
    }
  }

 private:
  // Gives each trainable (or each frozen) parameter a place from `at` on; returns where they end.
  int64_t lay_out(bool trainable, int64_t at) {
    for (size_t i = 0; i < model_.params().size(); ++i) {
      const strata_param_desc& p = model_.params()[i];
      if (p.dtype != STRATA_F32) {
        throw strata::run_error(strata::view(p.name), " is not fp32; DDPStrategy takes any type");
      }
      if (((p.flags & STRATA_PARAM_TRAINABLE) != 0) == trainable) {
        segments_.push_back({at, 0, p.numel, static_cast<int32_t>(i), 0});
        at += (p.numel + kAlign - 1) / kAlign * kAlign;
      }
    }
    return at;
  }

  strata::ModelView model_;
  strata::Group world_;
  int32_t world_size_ = 1;
  std::vector<strata_segment> segments_;  // in elements; those of trainable parameters come first
  size_t n_trainable_ = 0;
  int64_t grads_end_ = 0;
  int64_t values_end_ = 0;
  strata::Buffer values_;
  strata::Buffer grads_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<FlatDataParallel>("FlatDataParallelStrategy")
                  .doc("The whole model on every rank, one all-reduce per update."));
