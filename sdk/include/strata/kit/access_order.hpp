// The order in which units are used in an iteration, learned from iterations before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::kit {

/// Ranks whose control flow is one see one order, so what follows from it is the same on all ranks. A graph that changes
/// is met by remembering several orders: the first that agrees with what was used so far is followed; when none does,
/// nothing is foreseen until the iteration ends and its order is known too.
class STRATA_HIDDEN AccessOrder {
 public:
  /// Begins an iteration; what was noted since the last end() is dropped.
  void begin();
  void note(int32_t unit);
  /// What is expected after the last note, nearest first. Valid until the next call.
  [[nodiscard]] std::span<const int32_t> upcoming() const;
  /// Ends an iteration that went well.
  void end();

 private:
  [[nodiscard]] bool follow(size_t order);

  static constexpr size_t kOrders = 4;

  std::vector<std::vector<int32_t>> orders_;  // the one followed last comes first
  std::vector<int32_t> noted_;
  bool following_ = false;  // orders_.front() agrees with noted_
};

}  // namespace strata::kit
