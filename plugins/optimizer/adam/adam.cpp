// The update shared by all types of this plugin.
#include "adam.hpp"

#include <cmath>

#include "strata/kit/element_blocks.hpp"
#include "strata/kit/optimizer_checks.hpp"

#include "adam_loop.hpp"

namespace strata::optimizer_adam {
namespace {

// Positions in the table of hyper-parameters.
enum { kLr, kWeightDecay, kBeta1, kBeta2, kEps };

void check_settings(const AdamSettings& c) {
  kit::check_betas(c.betas);
  if (!(c.lr >= 0) || !(c.eps >= 0) || !(c.weight_decay >= 0)) {
    throw config_error("",
                       "lr, eps and weight_decay must not be negative, are ",
                       c.lr,
                       ", ",
                       c.eps,
                       ", ",
                       c.weight_decay);
  }
}

template <class T>
AdamScalars<T> scalars(const AdamSettings& settings, const double* h, int64_t step) {
  const auto t = static_cast<double>(step);
  const double correction1 = settings.bias_correction ? 1 - std::pow(h[kBeta1], t) : 1;
  const double correction2 = settings.bias_correction ? 1 - std::pow(h[kBeta2], t) : 1;
  AdamScalars<T> s{};
  s.sign = static_cast<T>(settings.maximize ? -1 : 1);
  s.keep = static_cast<T>(1 - h[kLr] * h[kWeightDecay]);
  s.l2 = static_cast<T>(h[kWeightDecay]);
  s.new1 = static_cast<T>(1 - h[kBeta1]);
  s.old2 = static_cast<T>(h[kBeta2]);
  s.new2 = static_cast<T>(1 - h[kBeta2]);
  s.root_correction2 = static_cast<T>(std::sqrt(correction2));
  s.eps = static_cast<T>(h[kEps]);
  s.minus_step_size = static_cast<T>(-(h[kLr] / correction1));
  return s;
}

}  // namespace

AdamBase::AdamBase(const AdamSettings& settings)
    : settings_(settings),
      hypers_{strata_hyper{view("lr"), settings.lr, STRATA_HYPER_LR, 0},
              strata_hyper{view("weight_decay"), settings.weight_decay, STRATA_HYPER_DECAY, 0}},
      states_{strata_optim_state{view("exp_avg"), -1, 0},
              strata_optim_state{view("exp_avg_sq"), -1, 0},
              strata_optim_state{view("max_exp_avg_sq"), -1, 0}} {
  check_settings(settings);
  hypers_[kBeta1] = {view("beta1"), settings.betas[0], STRATA_HYPER_MOMENTUM, 0};
  hypers_[kBeta2] = {view("beta2"), settings.betas[1], 0, 0};
  hypers_[kEps] = {view("eps"), settings.eps, 0, 0};
}

void AdamBase::step(const strata_optim_step_args& args) {
  kit::for_each_chunk(args, [&]<class T>(const strata_optim_chunk& chunk, const double* h) {
    update<T>(chunk, h, args.grad_scale);
  });
}

template <class T>
void AdamBase::update(const strata_optim_chunk& chunk, const double* h, double grad_scale) const {
  const AdamScalars<T> s = scalars<T>(settings_, h, chunk.step);
  const bool adds_decay = !settings_.decoupled && h[kWeightDecay] != 0;
  AdamScalars<T> free = s;  // without decay both kinds are one, and 1 * value is the value
  free.keep = settings_.decoupled ? s.keep : T(1);
  const auto run = [&](const auto& loop) { kit::for_each_block<T>(chunk, grad_scale, loop); };
  if (adds_decay && settings_.amsgrad) {
    run(AdamLoop<T, Decay::kL2, true>{s});
  } else if (adds_decay) {
    run(AdamLoop<T, Decay::kL2, false>{s});
  } else if (settings_.amsgrad) {
    run(AdamLoop<T, Decay::kDecoupled, true>{free});
  } else {
    run(AdamLoop<T, Decay::kDecoupled, false>{free});
  }
}

}  // namespace strata::optimizer_adam
