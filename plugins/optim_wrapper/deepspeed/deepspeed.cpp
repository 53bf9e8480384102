// DeepSpeedOptimWrapper: accumulation, clipping and the loss scale as DeepSpeed has them.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "strata/cpp/json.hpp"
#include "strata/kit/accumulating.hpp"

#include "loss_scaler.hpp"

namespace {

using strata::check;
using strata::json_float;
using strata::deepspeed::LossScaler;
using strata::deepspeed::read_loss_scaler;
using strata::kit::Accumulating;
using strata::kit::Clip;

struct DeepSpeedWrapperConfig : strata::kit::WrapperConfig {
  strata::Node fp16;
  strata::Node bf16;
};

class DeepSpeedWrapper final : public Accumulating {
 public:
  explicit DeepSpeedWrapper(const DeepSpeedWrapperConfig& c) : Accumulating(c) {
    if (c.fp16 && c.bf16) {
      throw strata::config_error(c.bf16.where(), "optim_wrapper has both fp16 and bf16; keep one");
    }
    if (c.fp16) {
      scaler_.emplace(read_loss_scaler(c.fp16));
    }
    if (c.bf16) {
      const strata::Node flag = c.bf16.find("check_grad_overflow");
      checks_overflow_ = !flag || flag.as_bool();
    }
  }

  [[nodiscard]] double loss_factor(const strata_step_ctx& ctx) override {
    return Accumulating::loss_factor(ctx) * scale();
  }

  void step(const strata_step_ctx& ctx, strata_step_result& out) override {
    if (!scaler_ && !checks_overflow_) {
      clip_and_update(ctx, out);
      return;
    }
    out.loss_scale = scale();
    const bool overflow = !unscale_and_clip(out);
    if (overflow) {
      out.skipped = 1;
    } else {
      check(strata::service<strata_update_api>().optimizer_step(runtime()));
    }
    if (scaler_) {
      adapt(ctx, overflow);
    } else if (overflow) {
      info("iteration ", ctx.iter, ": inf or NaN in the gradients, the update is skipped");
    }
  }

  std::string save() override { return scaler_ ? scaler_->save() : std::string(); }

  void load(std::string_view json) override {
    if (scaler_ && !json.empty()) {
      scaler_->load(json);
    }
  }

 private:
  [[nodiscard]] double scale() const { return scaler_ ? scaler_->scale() : 1; }

  /// False when some gradient is inf or NaN on some rank. The norm is taken of the gradients as they
  /// are, so that unscaling and clipping are one pass over them.
  bool unscale_and_clip(strata_step_result& out) {
    const auto& update = strata::service<strata_update_api>();
    double combined = scale();
    if (clip().kind == Clip::Kind::kNorm) {
      double norm = 0;
      check(update.grad_norm(runtime(), clip().norm_type, &norm));
      if (!std::isfinite(norm)) {
        return false;  // no number for the log, whose mean it would spoil
      }
      out.grad_norm = norm / scale();
      combined *= std::max(1.0, (out.grad_norm + 1e-6) / clip().limit);
    }
    int32_t found_inf = 0;
    check(update.unscale(runtime(), 1 / combined, &found_inf));
    if (found_inf == 0 && clip().kind == Clip::Kind::kValue) {
      check(update.clamp_grads(runtime(), clip().limit));
    }
    return found_inf == 0;
  }

  /// The scale moves after the update that used it.
  void adapt(const strata_step_ctx& ctx, bool overflow) {
    const double before = scaler_->scale();
    const LossScaler::Verdict verdict = scaler_->update(overflow);
    if (verdict == LossScaler::Verdict::kGiveUp) {
      throw strata::run_error(
          "iteration ",
          ctx.iter,
          ": gradients keep overflowing at the smallest loss scale of ",
          json_float(before),
          ", so there is nothing left to lower. Look for inf or NaN in the data and in the loss of "
          "single iterations, lower the learning rate, or use bf16; "
          "fp16.min_loss_scale_warnings = -1 goes on regardless");
    }
    if (!overflow) {
      return;
    }
    const std::string said = strata::text(
        "iteration ", ctx.iter, ": inf or NaN in the gradients, the update is skipped; ");
    if (verdict == LossScaler::Verdict::kAtMinimum) {
      warn(said, "the loss scale is the smallest allowed, ", json_float(before));
    } else if (scaler_->scale() == before) {
      info(said, "the loss scale stays at ", json_float(before));
    } else {
      info(said,
           "the loss scale goes from ",
           json_float(before),
           " to ",
           json_float(scaler_->scale()));
    }
  }

  std::optional<LossScaler> scaler_;
  bool checks_overflow_ = false;  // of bf16
};

}  // namespace

STRATA_PLUGIN(with_wrapper_keys(
    strata::exported<DeepSpeedWrapper, DeepSpeedWrapperConfig>("DeepSpeedOptimWrapper")
        .doc("updates as DeepSpeed makes them; DeepSpeedStrategy fills in what its own file says")
        .field(
            "fp16",
            &DeepSpeedWrapperConfig::fp16,
            "{loss_scale = 0, initial_scale_power = 16, loss_scale_window = 1000, hysteresis = 2, "
            "consecutive_hysteresis = false, min_loss_scale = 1, min_loss_scale_warnings = 10}")
        .field("bf16", &DeepSpeedWrapperConfig::bf16, "{check_grad_overflow = true}")));
