// OptimWrapper and AmpOptimWrapper: accumulation, clipping, mixed precision.

#include <optional>

#include "strata/kit/accumulating.hpp"

#include "scaler.hpp"

namespace {

using strata::check;
using strata::kit::Accumulating;
using strata::kit::WrapperConfig;
using strata::optim_wrappers::read_scaler;
using strata::optim_wrappers::Scaler;
using strata::optim_wrappers::ScalerConfig;

struct AmpConfig : WrapperConfig {
  strata::Node loss_scale;
  std::optional<std::string> dtype;
  bool use_fsdp = false;
};

/// Autocast around preprocess and forward; in fp16 the loss is scaled so that small gradients
/// survive.
class AmpWrapper : public Accumulating {
 public:
  explicit AmpWrapper(const AmpConfig& c)
      : Accumulating(c), scaler_config_(read_scaler(c.loss_scale)) {
    scale_given_ = static_cast<bool>(c.loss_scale);
    if (c.dtype) {
      dtype_ = dtype_of(*c.dtype);
      choose_scaler();
    }
  }

  void begin(const strata_wrapper_begin_args& args) override {
    Accumulating::begin(args);
    if (!dtype_) {
      dtype_ = args.device.type == STRATA_CUDA ? STRATA_F16 : STRATA_BF16;
      choose_scaler();
      load_pending();
    }
  }

  void context_enter(const strata_step_ctx&) override {
    if (dtype() != STRATA_F32) {
      check(strata::service<strata_autograd_api>().autocast_enter(runtime(), dtype()));
    }
  }

  void context_exit(const strata_step_ctx&) override {
    if (dtype() != STRATA_F32) {
      check(strata::service<strata_autograd_api>().autocast_exit(runtime()));
    }
  }

  [[nodiscard]] double loss_factor(const strata_step_ctx& ctx) override {
    return Accumulating::loss_factor(ctx) * (scaler_ ? scaler_->scale() : 1);
  }

  void step(const strata_step_ctx& ctx, strata_step_result& out) override {
    if (!scaler_) {
      clip_and_update(ctx, out);
      return;
    }
    out.loss_scale = scaler_->scale();
    int32_t found_inf = 0;
    check(strata::service<strata_update_api>().unscale(runtime(), 1 / out.loss_scale, &found_inf));
    if (found_inf == 0) {
      found_inf = clip_and_update(ctx, out) ? 0 : 1;
    }
    scaler_->update(found_inf != 0);
    if (found_inf != 0) {
      out.skipped = 1;
      info("iteration ",
           ctx.iter,
           ": inf or NaN in the gradients, the update is skipped; the loss scale goes from ",
           out.loss_scale,
           " to ",
           scaler_->scale());
    }
  }

  std::string save() override { return scaler_ ? scaler_->save() : std::string(); }

  void load(std::string_view json) override {
    pending_ = std::string(json);
    load_pending();
  }

 private:
  static int32_t dtype_of(const std::string& name) {
    if (name == "float16") {
      return STRATA_F16;
    }
    if (name == "bfloat16") {
      return STRATA_BF16;
    }
    if (name == "float32") {
      return STRATA_F32;
    }
    throw strata::config_error(
        "", R"(dtype is "float16", "bfloat16" or "float32" (no autocast), not ")", name, '"');
  }

  // Without begin(), which only training calls, there is no gradient to scale; validation on a CPU
  // is in bf16.
  [[nodiscard]] int32_t dtype() const { return dtype_.value_or(STRATA_BF16); }

  // bf16 has the range of fp32: it is scaled only if the user says how.
  void choose_scaler() {
    if (scaler_config_.enabled && (scale_given_ || dtype_ == STRATA_F16)) {
      scaler_.emplace(scaler_config_);
    }
  }

  void load_pending() {
    if (scaler_ && !pending_.empty()) {
      scaler_->load(pending_);
      pending_.clear();
    }
  }

  ScalerConfig scaler_config_;
  bool scale_given_ = false;
  std::optional<int32_t> dtype_;
  std::optional<Scaler> scaler_;
  std::string pending_;  // loaded before the device was known
};

}  // namespace

STRATA_PLUGIN(with_wrapper_keys(strata::exported<Accumulating, WrapperConfig>("OptimWrapper")
                                    .doc("updates from the gradients as they are")),
              with_wrapper_keys(
                  strata::exported<AmpWrapper, AmpConfig>("AmpOptimWrapper")
                      .doc("mixed precision: autocast, and a loss scale in fp16")
                      .field("loss_scale",
                             &AmpConfig::loss_scale,
                             "\"dynamic\", a number or {init_scale, growth_factor, backoff_factor, "
                             "growth_interval, enabled}")
                      .field("dtype",
                             &AmpConfig::dtype,
                             "absent: float16 on CUDA, bfloat16 on a CPU",
                             "float16|bfloat16|float32")
                      .field("use_fsdp", &AmpConfig::use_fsdp, "accepted; every strategy works")));
