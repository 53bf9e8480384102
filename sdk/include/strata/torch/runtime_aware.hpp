// What a module derives from to reach the host's services of its run.
#pragma once

#include "strata/cpp/host.hpp"

namespace strata {

/// Any module of a model that derives from it (virtually: a unit's mark does too) is bound when the
/// model has been built.
class STRATA_HIDDEN RuntimeAware {
 public:
  virtual ~RuntimeAware() = default;

  void bind(strata_runtime* runtime) { runtime_ = runtime; }

 protected:
  /// nullptr: the module runs without a host.
  [[nodiscard]] strata_runtime* runtime() const { return runtime_; }

 private:
  strata_runtime* runtime_ = nullptr;
};

}  // namespace strata
