// Lion: the sign of a blend of gradient and momentum. Chen et al., arXiv:2302.06675, program 1.

#include <array>
#include <vector>

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"
#include "strata/kit/element_blocks.hpp"
#include "strata/kit/optimizer_checks.hpp"

namespace {

struct LionConfig {
  double lr = 1e-4;
  std::vector<double> betas = {0.9, 0.99};
  double weight_decay = 0;
};

struct DeepSpeedLionConfig : LionConfig {
  DeepSpeedLionConfig() {
    lr = 1e-3;
    betas = {0.9, 0.999};
  }

  bool fp32_optimizer_states = true;
};

enum { kLr, kWeightDecay, kBeta1, kBeta2, kHypers };

template <class T>
struct LionScalars {
  T minus_lr;
  T keep;  // 1 - lr * weight_decay
  T old1;  // beta1
  T new1;  // 1 - beta1
  T old2;
  T new2;
};

template <class T>
struct LionLoop {
  LionScalars<T> s;

  [[gnu::always_inline]] void operator()(const strata::kit::ElementBlock<T>& block) const {
    run(block.value, block.grad, block.state[0], block.count, block.grad_scale);
  }

 private:
  // Arguments, because clang believes __restrict only there and leaves the loop scalar without.
  [[gnu::always_inline]] void run(T* __restrict value,
                                  const T* __restrict grad,
                                  T* __restrict mean,
                                  int64_t count,
                                  T grad_scale) const {
    for (int64_t i = 0; i < count; ++i) {
      const T g = grad[i] * grad_scale;
      const T blend = strata::kit::fused(s.new1, g, mean[i] * s.old1);
      const T sign = static_cast<T>(blend > 0) - static_cast<T>(blend < 0);
      mean[i] = strata::kit::fused(s.new2, g, mean[i] * s.old2);
      value[i] = strata::kit::fused(s.minus_lr, blend != blend ? blend : sign, value[i] * s.keep);
    }
  }
};

class Lion : public strata::Optimizer {
 public:
  explicit Lion(const LionConfig& config) {
    check(config);
    using strata::view;
    hypers_ = {strata_hyper{view("lr"), config.lr, STRATA_HYPER_LR, 0},
               strata_hyper{view("weight_decay"), config.weight_decay, STRATA_HYPER_DECAY, 0},
               strata_hyper{view("beta1"), config.betas[0], STRATA_HYPER_MOMENTUM, 0},
               strata_hyper{view("beta2"), config.betas[1], 0, 0}};
    states_ = {strata_optim_state{view("exp_avg"), -1, 0}};
  }

  [[nodiscard]] std::span<const strata_hyper> hypers() const override { return hypers_; }

  [[nodiscard]] std::span<const strata_optim_state> states() const override { return states_; }

  [[nodiscard]] uint32_t flags() const override {
    return STRATA_OPTIM_CONCURRENT | STRATA_OPTIM_WRITES_COPY;
  }

  void step(const strata_optim_step_args& args) override {
    strata::kit::for_each_chunk(
        args, [&]<class T>(const strata_optim_chunk& chunk, const double* h) {
          const LionScalars<T> s = {static_cast<T>(-h[kLr]),
                                    static_cast<T>(1 - h[kLr] * h[kWeightDecay]),
                                    static_cast<T>(h[kBeta1]),
                                    static_cast<T>(1 - h[kBeta1]),
                                    static_cast<T>(h[kBeta2]),
                                    static_cast<T>(1 - h[kBeta2])};
          strata::kit::for_each_block<T>(chunk, args.grad_scale, LionLoop<T>{s});
        });
  }

 private:
  static void check(const LionConfig& c) {
    strata::kit::check_betas(c.betas);
    if (!(c.lr >= 0) || !(c.weight_decay >= 0)) {
      throw strata::config_error(
          "", "lr and weight_decay must not be negative, are ", c.lr, ", ", c.weight_decay);
    }
  }

  std::array<strata_hyper, kHypers> hypers_;
  std::array<strata_optim_state, 1> states_;
};

struct DeepSpeedCpuLion : Lion {
  explicit DeepSpeedCpuLion(const DeepSpeedLionConfig& config) : Lion(config) {
    strata::kit::check_fp32_states(config.fp32_optimizer_states);
  }
};

template <class T, class Config>
auto lion(const char* name, const char* doc) {
  return strata::exported<T, Config>(name)
      .doc(doc)
      .field("lr", &Config::lr, "what every element moves by", "[0, inf)")
      .field("betas",
             &Config::betas,
             "share of the momentum in the direction, and of it that stays, each in [0, 1)")
      .field("weight_decay",
             &Config::weight_decay,
             "share of the value that is taken off, times lr",
             "[0, inf)");
}

}  // namespace

STRATA_PLUGIN((lion<Lion, LionConfig>("Lion", "the sign of a blend of gradient and momentum")),
              (lion<DeepSpeedCpuLion, DeepSpeedLionConfig>("DeepSpeedCPULion",
                                                           "Lion with DeepSpeed's arguments")
                   .field("fp32_optimizer_states",
                          &DeepSpeedLionConfig::fp32_optimizer_states,
                          "false is refused")));
