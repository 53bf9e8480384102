// Automatic placement: how many bytes of a device chunks may take, learned from what everything else takes.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/cpp/memory.hpp"

#include "settings.hpp"

namespace strata::colossalai {

/// An iteration is cut into intervals, each from one unit's use to the next. While the first iteration runs, chunks get a
/// fixed share; it measures, for each interval, the peak of all memory that is not the model's. From then on they get
/// what that leaves. All ranks go by the largest figures of any, so they decide alike.
class STRATA_HIDDEN Budget {
 public:
  Budget() = default;
  Budget(strata_runtime* runtime, const GeminiConfig& config, int32_t ranks_of_machine);

  /// Bytes of the device.
  [[nodiscard]] int64_t capacity() const { return capacity_; }

  /// Begins an iteration.
  void begin();
  /// A use begins: ends the interval before.
  void close();
  /// The use has what it needs: an interval runs from here. model_bytes: of all buffers that belong to the model, states
  /// included, in both pools.
  void open(int64_t model_bytes);
  /// Bytes that the model may take in the device pool in the interval that begins after close(). expected: the
  /// iteration goes as the measured one did so far.
  [[nodiscard]] int64_t for_model(bool expected) const;
  /// The iteration was complete. Collective.
  void learn();

  [[nodiscard]] bool measured() const { return measured_; }

  /// The most that other data takes in any interval. Once measured.
  [[nodiscard]] int64_t largest_other() const;

 private:
  strata_runtime* runtime_ = nullptr;
  int64_t capacity_ = 0;
  double first_share_ = 0;
  double share_ = 0;
  std::vector<int64_t> other_;  // by interval
  size_t interval_ = 0;         // that runs, or begins next
  int64_t model_bytes_ = -1;    // -1: none runs
  bool measured_ = false;
};

}  // namespace strata::colossalai
