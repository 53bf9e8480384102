// Marks a module as a unit: calling it tells the host that its parameters are needed from here to there.
#pragma once

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "strata/abi/model.h"
#include "strata/cpp/host.hpp"
#include "strata/torch/recompute.hpp"
#include "strata/torch/runtime_aware.hpp"
#include "strata/torch/tensors_in.hpp"

namespace strata {

namespace detail {
STRATA_SERVICE_ID(strata_units_api, STRATA_UNITS_API);
}  // namespace detail

/// What a unit knows of itself once its model was built. Before that, calls pass straight through.
class STRATA_HIDDEN UnitMark : public virtual RuntimeAware {
 public:
  void set_unit(int32_t unit) { unit_ = unit; }

 protected:
  /// Runs call(args...) between enter and leave, and again in backward where the host says so. Arguments are tensors, or
  /// vectors, optionals, tuples and pairs of them, or anything without tensors; likewise the result.
  template <class Call, class... Args>
  auto between(Call call, Args... args) {
    if (runtime() == nullptr || unit_ < 0) {
      return call(std::move(args)...);
    }
    const bool again = at::GradMode::is_enabled() && !recomputing() &&
                       service<strata_units_api>().checkpointed(runtime(), unit_) != 0;
    if (!again) {
      return entered(call, std::move(args)...);
    }
    return detail::recomputed([this, call](auto... a) { return entered(call, std::move(a)...); },
                              std::move(args)...);
  }

 private:
  template <class Call, class... Args>
  auto entered(const Call& call, Args... args) {
    std::tuple<Args...> held(std::move(args)...);
    std::vector<strata_native_tensor*> inputs;
    detail::tensors_in(held, inputs);
    const auto& api = service<strata_units_api>();
    check(api.enter(runtime(), unit_, inputs.data(), inputs.size()));
    Leave leave{api, runtime(), unit_};
    auto result = std::apply(call, std::move(held));
    std::vector<strata_native_tensor*> outputs;
    detail::tensors_in(result, outputs);
    leave.armed = false;
    check(api.leave(runtime(), unit_, outputs.data(), outputs.size(), 0));
    return result;
  }

  struct Leave {
    const strata_units_api& api;
    strata_runtime* runtime;
    int32_t unit;
    bool armed = true;

    ~Leave() {
      if (armed) {
        api.leave(runtime, unit, nullptr, 0, 1);
      }
    }
  };

  int32_t unit_ = -1;  // the root's mark is the host's business
};

/// The module M with a mark. Only made by Unit.
template <class M>
class STRATA_HIDDEN MarkedModule final : public M, public UnitMark {
 public:
  using M::M;

  template <class... Args>
  auto run(Args&&... args) {
    return between([this](auto&&... a) { return M::forward(std::forward<decltype(a)>(a)...); },
                   std::decay_t<Args>(std::forward<Args>(args))...);
  }
};

/// A module holder that is a unit:
///
///     struct BlockImpl : torch::nn::Module { at::Tensor forward(at::Tensor x); };
///     auto block = strata::Unit<BlockImpl>::make(…);  // constructor arguments of BlockImpl
///     register_module("block", block.ptr());
///     x = block(x);
template <class M>
class STRATA_HIDDEN Unit {
 public:
  Unit() = default;  // empty

  template <class... Args>
  static Unit make(Args&&... args) {
    Unit unit;
    unit.module_ = std::make_shared<MarkedModule<M>>(std::forward<Args>(args)...);
    return unit;
  }

  template <class... Args>
  auto operator()(Args&&... args) const {
    return module_->run(std::forward<Args>(args)...);
  }

  explicit operator bool() const { return module_ != nullptr; }

  [[nodiscard]] std::shared_ptr<M> ptr() const { return module_; }

  M* operator->() const { return module_.get(); }

 private:
  std::shared_ptr<MarkedModule<M>> module_;
};

}  // namespace strata
