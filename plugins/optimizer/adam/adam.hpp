// What all types of this plugin share: Adam with either kind of weight decay.
#pragma once

#include <array>
#include <vector>

#include "strata/cpp/optim.hpp"

namespace strata::optimizer_adam {

/// The arithmetic of one object. Kingma & Ba, arXiv:1412.6980; decoupled decay, Loshchilov & Hutter,
/// arXiv:1711.05101; amsgrad, Reddi et al., arXiv:1904.09237.
struct STRATA_HIDDEN AdamSettings {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
  bool maximize = false;
  bool decoupled = false;  // decay shrinks the value; else it is added to the gradient
  bool bias_correction = true;
};

/// The numbers and their order are those of torch's fused CPU kernel, so that fp32 results are its
/// bits.
class STRATA_HIDDEN AdamBase : public Optimizer {
 public:
  /// Errors: STRATA_E_CONFIG for numbers that cannot train.
  explicit AdamBase(const AdamSettings& settings);

  [[nodiscard]] std::span<const strata_hyper> hypers() const override { return hypers_; }

  [[nodiscard]] std::span<const strata_optim_state> states() const override {
    return std::span(states_).first(settings_.amsgrad ? 3 : 2);
  }

  [[nodiscard]] uint32_t flags() const override {
    return STRATA_OPTIM_CONCURRENT | STRATA_OPTIM_WRITES_COPY;
  }

  void step(const strata_optim_step_args& args) override;

 private:
  template <class T>
  void update(const strata_optim_chunk& chunk, const double* h, double grad_scale) const;

  AdamSettings settings_;
  std::array<strata_hyper, 5> hypers_;
  std::array<strata_optim_state, 3> states_;
};

}  // namespace strata::optimizer_adam
