// LAMB: layer-wise rates for Adam. You et al., arXiv:1904.00962, algorithm 2.

#include <array>
#include <vector>

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"
#include "strata/kit/optimizer_checks.hpp"

#include "lamb_loop.hpp"

namespace {

using strata::optimizer_lamb::LambScalars;
using strata::optimizer_lamb::MeasureLoop;
using strata::optimizer_lamb::MoveLoop;
using strata::optimizer_lamb::SquareSum;

struct LambConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-6;
  double weight_decay = 0.01;
  bool bias_correction = true;
  bool grad_averaging = true;
  bool adapts_always = true;  // also where nothing decays
};

/// Of ColossalAI.
struct ColossalLambConfig : LambConfig {
  ColossalLambConfig() {
    weight_decay = 0;
    bias_correction = false;
  }

  bool adam = false;
};

/// Of Apex.
struct FusedLambConfig : LambConfig {
  FusedLambConfig() { adapts_always = false; }

  bool amsgrad = false;
  bool adam_w_mode = true;
  bool set_grad_none = true;
  double max_grad_norm = 0;
};

enum { kLr, kWeightDecay, kBeta1, kBeta2, kEps, kHypers };

enum { kValues, kDirections, kSums };

void check(const LambConfig& c) {
  strata::kit::check_betas(c.betas);
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

class Lamb : public strata::Optimizer {
 public:
  explicit Lamb(const LambConfig& config) : config_(config) {
    check(config);
    using strata::view;
    hypers_ = {strata_hyper{view("lr"), config.lr, STRATA_HYPER_LR, 0},
               strata_hyper{view("weight_decay"), config.weight_decay, STRATA_HYPER_DECAY, 0},
               strata_hyper{view("beta1"), config.betas[0], STRATA_HYPER_MOMENTUM, 0},
               strata_hyper{view("beta2"), config.betas[1], 0, 0},
               strata_hyper{view("eps"), config.eps, 0, 0}};
    states_ = {strata_optim_state{view("exp_avg"), -1, 0},
               strata_optim_state{view("exp_avg_sq"), -1, 0}};
  }

  [[nodiscard]] std::span<const strata_hyper> hypers() const override { return hypers_; }

  [[nodiscard]] std::span<const strata_optim_state> states() const override { return states_; }

  [[nodiscard]] uint32_t flags() const override {
    return STRATA_OPTIM_CONCURRENT | STRATA_OPTIM_WRITES_COPY;
  }

  [[nodiscard]] uint32_t sums() const override { return kSums; }

  void prepare(const strata_optim_step_args& args, double* out) override {
    strata::kit::for_each_chunk(
        args, [&]<class T>(const strata_optim_chunk& chunk, const double* h) {
          const LambScalars<T> s = scalars<T>(h, chunk.step);
          strata_optim_chunk uncopied = chunk;  // values stay as they are
          uncopied.copy = nullptr;
          SquareSum values;
          SquareSum directions;
          strata::kit::for_each_block<T>(
              uncopied,
              args.grad_scale,
              MeasureLoop<T>{s, values.lanes.data(), directions.lanes.data()});
          out[kValues] = values.total();
          out[kDirections] = directions.total();
          out += kSums;
        });
  }

  void step(const strata_optim_step_args& args) override {
    strata::kit::for_each_chunk(
        args, [&]<class T>(const strata_optim_chunk& chunk, const double* h) {
          LambScalars<T> s = scalars<T>(h, chunk.step);
          s.minus_rate = static_cast<T>(-h[kLr] * trust(h, chunk.sums));
          strata::kit::for_each_block<T>(chunk, args.grad_scale, MoveLoop<T>{s});
        });
  }

 private:
  /// The parameter's norm over its direction's; 1 where one of them is 0.
  [[nodiscard]] double trust(const double* h, const double* sums) const {
    const bool adapts = config_.adapts_always || h[kWeightDecay] != 0;
    if (!adapts || sums[kValues] == 0 || sums[kDirections] == 0) {
      return 1;
    }
    return std::sqrt(sums[kValues] / sums[kDirections]);
  }

  template <class T>
  [[nodiscard]] LambScalars<T> scalars(const double* h, int64_t step) const {
    const auto t = static_cast<double>(step);
    const bool corrects = config_.bias_correction;
    LambScalars<T> s{};
    s.old1 = static_cast<T>(h[kBeta1]);
    s.new1 = static_cast<T>(config_.grad_averaging ? 1 - h[kBeta1] : 1);
    s.old2 = static_cast<T>(h[kBeta2]);
    s.new2 = static_cast<T>(1 - h[kBeta2]);
    s.correction1 = static_cast<T>(corrects ? 1 - std::pow(h[kBeta1], t) : 1);
    s.correction2 = static_cast<T>(corrects ? 1 - std::pow(h[kBeta2], t) : 1);
    s.eps = static_cast<T>(h[kEps]);
    s.decay = static_cast<T>(h[kWeightDecay]);
    return s;
  }

  LambConfig config_;
  std::array<strata_hyper, kHypers> hypers_;
  std::array<strata_optim_state, 2> states_;
};

struct ColossalLamb : Lamb {
  explicit ColossalLamb(const ColossalLambConfig& config) : Lamb(config) {
    if (config.adam) {
      throw strata::config_error(
          "", "adam = true turns LAMB into Adam with decoupled decay; take AdamW");
    }
  }
};

struct FusedLamb : Lamb {
  explicit FusedLamb(const FusedLambConfig& config) : Lamb(config) {
    if (config.amsgrad) {
      throw strata::config_error("", "LAMB has no amsgrad; leave it out");
    }
    if (!config.adam_w_mode) {
      throw strata::config_error(
          "",
          "adam_w_mode = false is not supported: weight decay is part of the "
          "direction, as in the paper; leave it out");
    }
    if (config.max_grad_norm != 0) {
      throw strata::config_error("",
                                 "max_grad_norm = ",
                                 config.max_grad_norm,
                                 " is not the optimizer's here: write optim_wrapper.clip_grad = "
                                 "{max_norm = ",
                                 config.max_grad_norm,
                                 "}");
    }
  }
};

template <class T, class Config>
auto lamb(const char* name, const char* doc) {
  return strata::exported<T, Config>(name)
      .doc(doc)
      .field("lr", &Config::lr, "learning rate", "[0, inf)")
      .field("betas",
             &Config::betas,
             "decay of the running means of gradient and squared gradient, each in [0, 1)")
      .field("eps", &Config::eps, "added to the denominator", "[0, inf)")
      .field(
          "weight_decay", &Config::weight_decay, "share of the value in the direction", "[0, inf)")
      .field("bias_correction", &Config::bias_correction, "divide the means by 1 - beta^step");
}

}  // namespace

STRATA_PLUGIN(
    (lamb<Lamb, LambConfig>("LAMB", "Adam with a rate for each parameter from its own norm")),
    (lamb<ColossalLamb, ColossalLambConfig>("Lamb", "LAMB with ColossalAI's arguments")
         .field("adam", &ColossalLambConfig::adam, "true is refused")),
    (lamb<FusedLamb, FusedLambConfig>("FusedLAMB", "LAMB with Apex's arguments; does not clip")
         .field("grad_averaging",
                &FusedLambConfig::grad_averaging,
                "false: the whole gradient is added to its mean, not 1 - beta1 of it")
         .field("use_nvlamb",
                &FusedLambConfig::adapts_always,
                "adapt the rate also of parameters without weight decay")
         .field("max_grad_norm",
                &FusedLambConfig::max_grad_norm,
                "refused above 0: optim_wrapper.clip_grad clips")
         .field("amsgrad", &FusedLambConfig::amsgrad, "true is refused")
         .field("adam_w_mode", &FusedLambConfig::adam_w_mode, "false is refused")
         .field("set_grad_none",
                &FusedLambConfig::set_grad_none,
                "accepted; gradients are always given up after an update")));
