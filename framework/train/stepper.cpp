// One iteration.
#include "train/stepper.hpp"

#include <utility>

#include <ATen/core/grad_mode.h>

#include "train/components.hpp"

namespace strata::train {
namespace {

// Autocast and the like, around preprocessing and forward.
class WrapperContext {
 public:
  WrapperContext(const border::Object<strata_optim_wrapper_api>* wrapper,
                 const strata_step_ctx* ctx)
      : wrapper_(wrapper), ctx_(ctx) {
    if (wrapper_ != nullptr) {
      wrapper_->call(&strata_optim_wrapper_api::context_enter, ctx_);
    }
  }

  WrapperContext(const WrapperContext&) = delete;
  WrapperContext& operator=(const WrapperContext&) = delete;

  ~WrapperContext() {
    if (wrapper_ != nullptr && wrapper_->has(&strata_optim_wrapper_api::context_exit)) {
      wrapper_->api().context_exit(wrapper_->self(), ctx_);
    }
  }

 private:
  const border::Object<strata_optim_wrapper_api>* wrapper_;
  const strata_step_ctx* ctx_;
};

}  // namespace

Stepper::Stepper(StepParts parts) : parts_(parts) {
  ctx_.h = STRATA_HDR(strata_step_ctx);
  averages_itself_ = caps_of(parts_.strategy).averages_itself != 0;
}

template <class Body>
auto Stepper::guarded_iteration(Body&& body) {
  parts_.tracker.begin(&ctx_);
  try {
    parts_.strategy.call(&strata_strategy_api::iter_begin,
                         static_cast<const strata_step_ctx*>(&ctx_));
    auto result = std::forward<Body>(body)();
    parts_.strategy.call(&strata_strategy_api::iter_end,
                         static_cast<const strata_step_ctx*>(&ctx_));
    return result;
  } catch (...) {
    parts_.tracker.abort();
    throw;
  }
}

IterReport Stepper::train(unit::Fields batch, int64_t iter, int64_t step) {
  ctx_.iter = iter;
  ctx_.step = step;
  const auto& wrapper = *parts_.wrapper;
  wrapper.call(&strata_optim_wrapper_api::window, iter, &ctx_.micro, &ctx_.n_micro);
  ctx_.flags = ctx_.micro + 1 == ctx_.n_micro ? uint32_t{STRATA_CTX_LAST_MICRO} : 0U;
  return guarded_iteration([&] {
    const unit::Losses losses = forward_loss(std::move(batch));
    double factor = 1.0;
    wrapper.call(&strata_optim_wrapper_api::loss_factor,
                 static_cast<const strata_step_ctx*>(&ctx_),
                 &factor);
    // Divided before the sum over ranks, so that the ranks together equal one that accumulates.
    parts_.tracker.backward(losses.total, averages_itself_ ? factor : factor / parts_.world_size);
    IterReport report;
    for (const auto& [name, value] : losses.logged) {
      report.values.emplace_back(name, value.item<double>());
    }
    if ((ctx_.flags & STRATA_CTX_LAST_MICRO) != 0) {
      update(report);
    }
    return report;
  });
}

unit::Losses Stepper::forward_loss(unit::Fields batch) {
  const WrapperContext context(parts_.wrapper, &ctx_);
  return unit::parse_losses(
      unit::forward(parts_.model, parts_.tracker, STRATA_FORWARD_LOSS, std::move(batch)));
}

void Stepper::update(IterReport& report) {
  const strata_step_ctx* ctx = &ctx_;
  report.result.h = STRATA_HDR(strata_step_result);
  parts_.strategy.call(&strata_strategy_api::pre_step, ctx);
  parts_.updater->begin_step();
  parts_.wrapper->call(&strata_optim_wrapper_api::step, ctx, &report.result);
  ctx_.flags |= report.result.skipped != 0 ? uint32_t{STRATA_CTX_SKIPPED} : 0U;
  parts_.strategy.call(&strata_strategy_api::post_step, ctx);
  ctx_.flags &= ~uint32_t{STRATA_CTX_SKIPPED};
  parts_.model.zero_grad();
  report.updated = true;
}

unit::Fields Stepper::predict(unit::Fields batch) {
  const at::NoGradGuard no_grad;
  ctx_.flags = STRATA_CTX_EVAL;
  return guarded_iteration([&] {
    const WrapperContext context(parts_.wrapper, &ctx_);
    return unit::forward(parts_.model, parts_.tracker, STRATA_FORWARD_PREDICT, std::move(batch));
  });
}

}  // namespace strata::train
