// What optimizer wrappers share: their keys, accumulation windows, clipping, the update.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/cpp/optim.hpp"
#include "strata/kit/clip.hpp"

namespace strata::kit {

struct STRATA_HIDDEN WrapperConfig {
  Node optimizer;      // the host makes it
  Node paramwise_cfg;  // the host reads it
  Node clip_grad;
  int64_t accumulative_counts = 1;
  std::string constructor = "DefaultOptimWrapperConstructor";
};

/// An update every `accumulative_counts` iterations, and after the run's last one.
class STRATA_HIDDEN Accumulating : public OptimWrapper {
 public:
  explicit Accumulating(const WrapperConfig& c)
      : clip_(read_clip(c.clip_grad)), length_(c.accumulative_counts) {
    if (length_ < 1 || length_ > std::numeric_limits<int32_t>::max()) {
      throw config_error("", "accumulative_counts must be at least 1, is ", length_);
    }
    if (c.constructor != "DefaultOptimWrapperConstructor") {
      throw config_error(
          "",
          "constructor: groups are made by paramwise_cfg alone; remove constructor = \"",
          c.constructor,
          '"');
    }
    for (const Node& hosts : {c.optimizer, c.paramwise_cfg}) {
      if (hosts) {
        hosts.mark_read();  // the host reads and checks them
      }
    }
  }

  void begin(const strata_wrapper_begin_args& args) override {
    max_iters_ = args.max_iters;
    if (args.iter % length_ != 0) {
      warn("the run goes on at iteration ",
           args.iter,
           ", which is no multiple of accumulative_counts = ",
           length_,
           ": the first update averages fewer micro-batches");
    }
  }

  [[nodiscard]] Window window(int64_t iter) const override {
    const int64_t start = iter / length_ * length_;
    const bool cut = max_iters_ > iter && max_iters_ - start < length_;
    return {static_cast<int32_t>(iter - start),
            static_cast<int32_t>(cut ? max_iters_ - start : length_)};
  }

  [[nodiscard]] double loss_factor(const strata_step_ctx& ctx) override {
    return 1.0 / ctx.n_micro;
  }

  void step(const strata_step_ctx& ctx, strata_step_result& out) override {
    clip_and_update(ctx, out);
  }

 protected:
  /// False when the update was left out: with a norm of inf or NaN it would only spread.
  bool clip_and_update(const strata_step_ctx& ctx, strata_step_result& out) {
    const Clipped clipped = clip_gradients(clip_, runtime());
    out.grad_norm = clipped.norm;
    if (!clipped.usable) {
      out.skipped = 1;
      warn("iteration ",
           ctx.iter,
           ": the gradients' norm is ",
           std::fabs(clipped.norm),  // a NaN has a sign, which is noise
           ", the update is skipped");
      return false;
    }
    check(service<strata_update_api>().optimizer_step(runtime()));
    return true;
  }

  [[nodiscard]] const Clip& clip() const { return clip_; }

 private:
  Clip clip_;
  int64_t length_;
  int64_t max_iters_ = 0;
};

template <class T, class Config>
Exported<T, Config> with_wrapper_keys(Exported<T, Config> type) {
  return type
      .required("optimizer", &Config::optimizer, "a table with the optimizer's type and arguments")
      .field("paramwise_cfg", &Config::paramwise_cfg, "multipliers for some parameters")
      .field("clip_grad",
             &Config::clip_grad,
             "{max_norm, norm_type = 2} or {type = \"value\", clip_value}")
      .field("accumulative_counts",
             &Config::accumulative_counts,
             "iterations that make one update",
             "[1, inf)")
      .field("constructor", &Config::constructor, "accepted with its default only");
}

}  // namespace strata::kit
