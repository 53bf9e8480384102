// SGD with momentum as torch defines it: v = mu v + (1 - dampening) g; p -= lr v.

#include "strata/abi.h"
#include "strata/cpp/optim.hpp"
#include "strata/kit/element_blocks.hpp"

namespace {

struct SgdConfig {
  double lr = 0;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
};

enum { kLr, kWeightDecay, kMomentum, kDampening, kHypers };

template <class T>
struct SgdScalars {
  T sign;
  T minus_lr;
  T decay;
  T momentum;
  T fresh;  // 1 - dampening
  bool first;
};

template <class T, bool kHasMomentum, bool kNesterov>
struct SgdLoop {
  SgdScalars<T> s;

  [[gnu::always_inline]] void operator()(const strata::kit::ElementBlock<T>& block) const {
    T* __restrict value = block.value;
    const T* __restrict grad = block.grad;
    T* __restrict velocity = block.state[0];

    const T factor = s.sign * block.grad_scale;

    for (int64_t i = 0; i < block.count; ++i) {
      const T g = strata::kit::fused(value[i], s.decay, grad[i] * factor);
      T direction = g;
      if constexpr (kHasMomentum) {
        const T v = s.first ? g : strata::kit::fused(g, s.fresh, velocity[i] * s.momentum);
        velocity[i] = v;
        direction = kNesterov ? strata::kit::fused(v, s.momentum, g) : v;
      }
      value[i] = strata::kit::fused(direction, s.minus_lr, value[i]);
    }
  }
};

class Sgd : public strata::Optimizer {
 public:
  explicit Sgd(const SgdConfig& config) : config_(config) {
    check_config();
    using strata::view;
    hypers_ = {strata_hyper{view("lr"), config.lr, STRATA_HYPER_LR, 0},
               strata_hyper{view("weight_decay"), config.weight_decay, STRATA_HYPER_DECAY, 0},
               strata_hyper{view("momentum"), config.momentum, STRATA_HYPER_MOMENTUM, 0},
               strata_hyper{view("dampening"), config.dampening, 0, 0}};
    states_ = {strata_optim_state{view("momentum_buffer"), -1, 0}};
  }

  [[nodiscard]] std::span<const strata_hyper> hypers() const override { return hypers_; }

  [[nodiscard]] std::span<const strata_optim_state> states() const override {
    return std::span(states_).first(config_.momentum != 0 ? 1 : 0);
  }

  [[nodiscard]] uint32_t flags() const override {
    return STRATA_OPTIM_CONCURRENT | STRATA_OPTIM_WRITES_COPY;
  }

  void step(const strata_optim_step_args& args) override {
    strata::kit::for_each_chunk(
        args, [&]<class T>(const strata_optim_chunk& chunk, const double* h) {
          if (h[kMomentum] != 0 && config_.momentum == 0) {
            throw strata::run_error(
                "SGD was configured with momentum = 0 and keeps no velocity, but group ",
                chunk.group,
                " now has momentum ",
                h[kMomentum],
                "; set [optimizer] momentum above 0");
          }
          update<T>(chunk, h, args.grad_scale);
        });
  }

 private:
  void check_config() const {
    const SgdConfig& c = config_;
    if (!(c.lr >= 0) || !(c.momentum >= 0) || !(c.weight_decay >= 0)) {
      throw strata::config_error("",
                                 "lr, momentum and weight_decay must not be negative, are ",
                                 c.lr,
                                 ", ",
                                 c.momentum,
                                 ", ",
                                 c.weight_decay);
    }
    if (c.nesterov && (c.momentum == 0 || c.dampening != 0)) {
      throw strata::config_error("",
                                 "nesterov wants momentum above 0 and dampening = 0, has ",
                                 c.momentum,
                                 " and ",
                                 c.dampening);
    }
  }

  template <class T>
  void update(const strata_optim_chunk& chunk, const double* h, double grad_scale) const {
    const SgdScalars<T> s = {static_cast<T>(config_.maximize ? -1 : 1),
                             static_cast<T>(-h[kLr]),
                             static_cast<T>(h[kWeightDecay]),
                             static_cast<T>(h[kMomentum]),
                             static_cast<T>(1 - h[kDampening]),
                             chunk.step == 1};
    const auto run = [&](const auto& loop) {
      strata::kit::for_each_block<T>(chunk, grad_scale, loop);
    };
    if (config_.momentum == 0) {
      run(SgdLoop<T, false, false>{s});
    } else if (config_.nesterov) {
      run(SgdLoop<T, true, true>{s});
    } else {
      run(SgdLoop<T, true, false>{s});
    }
  }

  SgdConfig config_;
  std::array<strata_hyper, kHypers> hypers_;
  std::array<strata_optim_state, 1> states_;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<Sgd, SgdConfig>("SGD")
        .doc("stochastic gradient descent, with momentum if wanted")
        .required("lr", &SgdConfig::lr, "learning rate", "[0, inf)")
        .field("momentum", &SgdConfig::momentum, "share of the velocity that stays", "[0, inf)")
        .field("dampening", &SgdConfig::dampening, "share of the gradient that is left out")
        .field("weight_decay",
               &SgdConfig::weight_decay,
               "added to the gradient times the value",
               "[0, inf)")
        .field("nesterov", &SgdConfig::nesterov, "look ahead along the velocity")
        .field("maximize", &SgdConfig::maximize, "climb instead of descend"));
