// Adagrad: each element's rate falls with the sum of its squared gradients. Duchi et al., JMLR 12
// (2011), in torch's form.

#include <array>
#include <cmath>

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"
#include "strata/kit/element_blocks.hpp"
#include "strata/kit/optimizer_checks.hpp"

namespace {

struct AdagradConfig {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;
};

struct DeepSpeedAdagradConfig : AdagradConfig {
  bool amsgrad = false;
  bool fp32_optimizer_states = true;
};

enum { kLr, kWeightDecay, kEps, kHypers };

template <class T>
struct AdagradScalars {
  T sign;
  T minus_lr;  // -lr / (1 + (step - 1) * lr_decay)
  T decay;
  T initial;  // what the sum begins with; 0 after the first update
  T eps;
};

template <class T>
struct AdagradLoop {
  AdagradScalars<T> s;

  [[gnu::always_inline]] void operator()(const strata::kit::ElementBlock<T>& block) const {
    run(block.value, block.grad, block.state[0], block.count, block.grad_scale);
  }

 private:
  [[gnu::always_inline]] void run(T* __restrict value,
                                  const T* __restrict grad,
                                  T* __restrict sum,
                                  int64_t count,
                                  T grad_scale) const {
    const T factor = s.sign * grad_scale;
    for (int64_t i = 0; i < count; ++i) {
      const T g = strata::kit::fused(value[i], s.decay, grad[i] * factor);
      const T squares = strata::kit::fused(g, g, sum[i] + s.initial);
      sum[i] = squares;
      value[i] += s.minus_lr * g / (std::sqrt(squares) + s.eps);
    }
  }
};

class Adagrad : public strata::Optimizer {
 public:
  explicit Adagrad(const AdagradConfig& config) : config_(config) {
    if (!(config.lr >= 0) || !(config.lr_decay >= 0) || !(config.weight_decay >= 0) ||
        !(config.initial_accumulator_value >= 0) || !(config.eps >= 0)) {
      throw strata::config_error("", "none of Adagrad's numbers may be negative");
    }
    using strata::view;
    hypers_ = {strata_hyper{view("lr"), config.lr, STRATA_HYPER_LR, 0},
               strata_hyper{view("weight_decay"), config.weight_decay, STRATA_HYPER_DECAY, 0},
               strata_hyper{view("eps"), config.eps, 0, 0}};
    states_ = {strata_optim_state{view("sum"), -1, 0}};
  }

  [[nodiscard]] std::span<const strata_hyper> hypers() const override { return hypers_; }

  [[nodiscard]] std::span<const strata_optim_state> states() const override { return states_; }

  [[nodiscard]] uint32_t flags() const override {
    return STRATA_OPTIM_CONCURRENT | STRATA_OPTIM_WRITES_COPY;
  }

  void step(const strata_optim_step_args& args) override {
    strata::kit::for_each_chunk(
        args, [&]<class T>(const strata_optim_chunk& chunk, const double* h) {
          const AdagradScalars<T> s = scalars<T>(h, chunk.step);
          strata::kit::for_each_block<T>(chunk, args.grad_scale, AdagradLoop<T>{s});
        });
  }

 private:
  template <class T>
  [[nodiscard]] AdagradScalars<T> scalars(const double* h, int64_t step) const {
    const double slowed = 1 + static_cast<double>(step - 1) * config_.lr_decay;
    return {static_cast<T>(config_.maximize ? -1 : 1),
            static_cast<T>(-h[kLr] / slowed),
            static_cast<T>(h[kWeightDecay]),
            static_cast<T>(step == 1 ? config_.initial_accumulator_value : 0),
            static_cast<T>(h[kEps])};
  }

  AdagradConfig config_;
  std::array<strata_hyper, kHypers> hypers_;
  std::array<strata_optim_state, 1> states_;
};

struct DeepSpeedCpuAdagrad : Adagrad {
  explicit DeepSpeedCpuAdagrad(const DeepSpeedAdagradConfig& config) : Adagrad(config) {
    if (config.amsgrad) {
      throw strata::config_error(
          "", "amsgrad is of Adam: Adagrad's sum never falls; leave it out, or take AdamW");
    }
    strata::kit::check_fp32_states(config.fp32_optimizer_states);
  }
};

template <class T, class Config>
auto adagrad(const char* name, const char* doc) {
  return strata::exported<T, Config>(name)
      .doc(doc)
      .field("lr", &Config::lr, "learning rate", "[0, inf)")
      .field("weight_decay",
             &Config::weight_decay,
             "added to the gradient times the value",
             "[0, inf)")
      .field("eps", &Config::eps, "added to the denominator", "[0, inf)");
}

}  // namespace

STRATA_PLUGIN((adagrad<Adagrad, AdagradConfig>("Adagrad", "rates that fall with squared gradients")
                   .field("lr_decay",
                          &AdagradConfig::lr_decay,
                          "update t has lr / (1 + (t - 1) * lr_decay)",
                          "[0, inf)")
                   .field("initial_accumulator_value",
                          &AdagradConfig::initial_accumulator_value,
                          "what the sums of squares begin with",
                          "[0, inf)")
                   .field("maximize", &AdagradConfig::maximize, "climb instead of descend")),
              (adagrad<DeepSpeedCpuAdagrad, DeepSpeedAdagradConfig>(
                   "DeepSpeedCPUAdagrad", "Adagrad with DeepSpeed's arguments")
                   .field("amsgrad", &DeepSpeedAdagradConfig::amsgrad, "true is refused")
                   .field("fp32_optimizer_states",
                          &DeepSpeedAdagradConfig::fp32_optimizer_states,
                          "false is refused")));
