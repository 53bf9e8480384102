// ColossalAIOptimWrapper: accumulation, clipping and the loss scale as ColossalAI has them.
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
using strata::colossalai::LossScaler;
using strata::colossalai::read_loss_scaler;

struct ColossalAIWrapperConfig : strata::kit::WrapperConfig {
  double max_norm = 0;
  strata::Node loss_scale;
  bool verbose = false;
};

class ColossalAIWrapper final : public strata::kit::Accumulating {
 public:
  explicit ColossalAIWrapper(const ColossalAIWrapperConfig& c)
      : Accumulating(without_clip(c)), max_norm_(c.max_norm), verbose_(c.verbose) {
    if (!(max_norm_ >= 0) || !std::isfinite(max_norm_)) {
      throw strata::config_error("", "max_norm = ", max_norm_, " must be 0 (no clipping) or more");
    }
    if (c.loss_scale) {
      scaler_.emplace(read_loss_scaler(c.loss_scale));
    }
  }

  [[nodiscard]] double loss_factor(const strata_step_ctx& ctx) override {
    return Accumulating::loss_factor(ctx) * scale();
  }

  void step(const strata_step_ctx& ctx, strata_step_result& out) override {
    out.loss_scale = scale();
    const bool usable = unscale_and_clip(out);
    if (usable) {
      check(strata::service<strata_update_api>().optimizer_step(runtime()));
    } else {
      out.skipped = 1;
    }
    if (scaler_) {
      const double before = scale();
      scaler_->update(!usable);
      if (!usable && verbose_) {
        info("iteration ",
             ctx.iter,
             ": ",
             kSkipped,
             ", the loss scale goes from ",
             json_float(before),
             " to ",
             json_float(scale()));
      }
    } else if (!usable) {
      warn("iteration ", ctx.iter, ": ", kSkipped);
    }
  }

  std::string save() override { return scaler_ ? scaler_->save() : std::string(); }

  void load(std::string_view json) override {
    if (scaler_ && !json.empty()) {
      scaler_->load(json);
    }
  }

 private:
  static constexpr const char* kSkipped = "inf or NaN in the gradients, the update is skipped";

  static const strata::kit::WrapperConfig& without_clip(const ColossalAIWrapperConfig& c) {
    if (c.clip_grad) {
      throw strata::config_error(
          c.clip_grad.where(),
          "ColossalAIOptimWrapper has no clip_grad; write max_norm in the strategy's plugin: "
          "plugin = { type = \"GeminiPlugin\", max_norm = 1.0 }");
    }
    return c;
  }

  [[nodiscard]] double scale() const { return scaler_ ? scaler_->scale() : 1; }

  /// False when some gradient is inf or NaN on some rank; without a scaler and without clipping nobody looks. The norm is
  /// taken of the gradients as they are, so that unscaling and clipping are one pass over them.
  bool unscale_and_clip(strata_step_result& out) const {
    const auto& update = strata::service<strata_update_api>();
    double combined = scale();
    if (max_norm_ > 0) {
      double norm = 0;
      check(update.grad_norm(runtime(), 2, &norm));
      if (!std::isfinite(norm)) {
        return false;  // no number for the log, whose mean it would spoil
      }
      out.grad_norm = norm / scale();
      combined *= std::max(1.0, (out.grad_norm + 1e-6) / max_norm_);
    }
    if (!scaler_) {
      if (combined != 1) {
        check(update.scale_grads(runtime(), 1 / combined));
      }
      return true;
    }
    int32_t found_inf = 0;
    check(update.unscale(runtime(), 1 / combined, &found_inf));
    return found_inf == 0;
  }

  double max_norm_;
  bool verbose_;
  std::optional<LossScaler> scaler_;
};

}  // namespace

STRATA_PLUGIN(with_wrapper_keys(
    strata::exported<ColossalAIWrapper, ColossalAIWrapperConfig>("ColossalAIOptimWrapper")
        .doc("updates as ColossalAI makes them; ColossalAIStrategy fills in what its plugin says")
        .field("max_norm",
               &ColossalAIWrapperConfig::max_norm,
               "gradients are scaled down to this norm; 0: never",
               "[0, inf)")
        .field("verbose",
               &ColossalAIWrapperConfig::verbose,
               "a log line for every update that is skipped for its overflow")
        .field("loss_scale",
               &ColossalAIWrapperConfig::loss_scale,
               "{initial_scale = 65536, min_scale = 1, max_scale = 4294967296, growth_factor = 2, "
               "backoff_factor = 0.5, "
               "growth_interval = 1000, hysteresis = 2}; absent: the loss is not scaled")));
