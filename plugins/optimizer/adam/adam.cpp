// Adam and AdamW: Kingma & Ba, arXiv:1412.6980; decoupled decay, Loshchilov & Hutter,
// arXiv:1711.05101.

#include <cmath>

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"
#include "strata/kit/element_blocks.hpp"

#include "adam_loop.hpp"

namespace {

using strata::optimizer_adam::AdamLoop;
using strata::optimizer_adam::AdamScalars;
using strata::optimizer_adam::Decay;

struct AdamConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
  bool maximize = false;
};

struct AdamWConfig : AdamConfig {
  AdamWConfig() { weight_decay = 1e-2; }
};

void check_config(const AdamConfig& c) {
  if (c.betas.size() != 2) {
    throw strata::config_error("", "betas wants two numbers, has ", c.betas.size());
  }
  for (const double beta : c.betas) {
    if (!(beta >= 0 && beta < 1)) {
      throw strata::config_error("", "betas must lie in [0, 1), one is ", beta);
    }
  }
  if (!(c.lr >= 0) || !(c.eps >= 0) || !(c.weight_decay >= 0)) {
    throw strata::config_error("",
                               "lr, eps and weight_decay must not be negative, are ",
                               c.lr,
                               ", ",
                               c.eps,
                               ", ",
                               c.weight_decay);
  }
}

// Positions in the table of hyper-parameters.
enum { kLr, kWeightDecay, kBeta1, kBeta2, kEps, kHypers };

template <class T>
AdamScalars<T> scalars(const double* h, int64_t step, bool maximize) {
  const double correction1 = 1 - std::pow(h[kBeta1], static_cast<double>(step));
  const double correction2 = 1 - std::pow(h[kBeta2], static_cast<double>(step));
  AdamScalars<T> s{};
  s.sign = static_cast<T>(maximize ? -1 : 1);
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

/// The numbers and their order are those of torch's fused CPU kernel, so that fp32 results are its
/// bits.
template <Decay kMode>
class AdamBase : public strata::Optimizer {
 public:
  explicit AdamBase(const AdamConfig& config) : config_(config) {
    check_config(config);
    using strata::view;
    hypers_ = {strata_hyper{view("lr"), config.lr, STRATA_HYPER_LR, 0},
               strata_hyper{view("weight_decay"), config.weight_decay, STRATA_HYPER_DECAY, 0},
               strata_hyper{view("beta1"), config.betas[0], STRATA_HYPER_MOMENTUM, 0},
               strata_hyper{view("beta2"), config.betas[1], 0, 0},
               strata_hyper{view("eps"), config.eps, 0, 0}};
    states_ = {strata_optim_state{view("exp_avg"), -1, 0},
               strata_optim_state{view("exp_avg_sq"), -1, 0},
               strata_optim_state{view("max_exp_avg_sq"), -1, 0}};
  }

  [[nodiscard]] std::span<const strata_hyper> hypers() const override { return hypers_; }

  [[nodiscard]] std::span<const strata_optim_state> states() const override {
    return std::span(states_).first(config_.amsgrad ? 3 : 2);
  }

  void step(const strata_optim_step_args& args) override {
    for (uint64_t i = 0; i < args.n_chunks; ++i) {
      const strata_optim_chunk& chunk = args.chunks[i];
      const double* h = args.hypers + static_cast<uint64_t>(chunk.group) * args.n_hypers;
      if (chunk.value_dtype == STRATA_F64) {
        update<double>(chunk, h, args.grad_scale);
      } else {
        update<float>(chunk, h, args.grad_scale);
      }
    }
  }

 private:
  template <class T>
  void update(const strata_optim_chunk& chunk, const double* h, double grad_scale) const {
    const AdamScalars<T> s = scalars<T>(h, chunk.step, config_.maximize);
    const bool decays = h[kWeightDecay] != 0;
    strata::kit::for_each_block<T>(
        chunk, grad_scale, [&](const strata::kit::ElementBlock<T>& block) {
          if (config_.amsgrad) {
            run<T, true>(block, s, decays);
          } else {
            run<T, false>(block, s, decays);
          }
        });
  }

  template <class T, bool kAmsgrad>
  static void run(const strata::kit::ElementBlock<T>& block, const AdamScalars<T>& s, bool decays) {
    if (decays) {
      strata::kit::simd(AdamLoop<T, kMode, kAmsgrad>{block, s});
    } else {
      strata::kit::simd(AdamLoop<T, Decay::kNone, kAmsgrad>{block, s});
    }
  }

  AdamConfig config_;
  std::array<strata_hyper, kHypers> hypers_;
  std::array<strata_optim_state, 3> states_;
};

using Adam = AdamBase<Decay::kL2>;
using AdamW = AdamBase<Decay::kDecoupled>;

template <class T, class Config>
auto exported(const char* name, const char* doc) {
  return strata::exported<T, Config>(name)
      .doc(doc)
      .field("lr", &Config::lr, "learning rate", "[0, inf)")
      .field("betas",
             &Config::betas,
             "decay of the running means of gradient and squared gradient, each in [0, 1)")
      .field("eps", &Config::eps, "added to the denominator", "[0, inf)")
      .field(
          "weight_decay", &Config::weight_decay, "share of the value that is taken off", "[0, inf)")
      .field("amsgrad", &Config::amsgrad, "divide by the largest second moment so far")
      .field("maximize", &Config::maximize, "climb instead of descend");
}

}  // namespace

STRATA_PLUGIN((exported<AdamW, AdamWConfig>("AdamW", "Adam with decoupled weight decay")),
              (exported<Adam, AdamConfig>("Adam", "Adam; weight decay is added to the gradient")));
