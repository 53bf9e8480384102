// One rank of a run without files: a model, a strategy, the tracker between them, and plain SGD.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "strata/cpp/strategy.hpp"
#include "strata/torch/model.hpp"

#include "border/errors.hpp"
#include "border/object.hpp"
#include "border/runtime.hpp"
#include "optim/views.hpp"
#include "unit/assemble.hpp"
#include "unit/memory.hpp"
#include "unit/model.hpp"
#include "unit/tracker.hpp"

namespace strata::testing {

/// Makes the SDK code inside this test program talk to this host. Once.
void install_host();

template <class Base, class Api>
border::Object<Api> wrap(std::unique_ptr<Base> object, strata_runtime* rt, const char* type) {
  object->attach(rt);
  return border::Object<Api>(strata_object{object.release(), detail::KindOf<Base>::table()}, type);
}

/// All parts of one rank. The strategy S is the test's own class.
class Rank {
 public:
  static constexpr uint64_t kSeed = 7;

  Rank(std::unique_ptr<strata::Model> model,
       std::unique_ptr<strata::Strategy> strategy,
       comm::World* world = nullptr);
  ~Rank();

  /// Forward, backward and SGD on one batch; returns the loss before the update.
  float step(const std::vector<std::pair<std::string, at::Tensor>>& batch, double lr);
  /// The forward and backward half alone.
  float backward(const std::vector<std::pair<std::string, at::Tensor>>& batch);

  void abort() { tracker_->abort(); }

  [[nodiscard]] std::vector<optim::View>& views() { return views_; }

  [[nodiscard]] unit::Model& model() { return *model_; }

  [[nodiscard]] unit::Memory& memory() { return memory_; }

  /// The whole gradient of a parameter, from this rank's views (one rank: all of it). Undefined: untouched.
  at::Tensor gradient(const std::string& param);

 private:
  void sgd(double lr);

  strata_runtime rt_;
  unit::Memory memory_{/*poison=*/true};
  int32_t world_size_ = 1;
  border::Object<strata_strategy_api> strategy_;
  std::unique_ptr<unit::Model> model_;
  std::unique_ptr<unit::Tracker> tracker_;
  std::vector<optim::View> views_;
  strata_step_ctx ctx_{};
};

}  // namespace strata::testing
