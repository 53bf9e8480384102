// Whether some rank was told to end the run, asked of all ranks at a cost that nobody sees.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "comm/world.hpp"

namespace strata::train {

/// Why a run ends early, with its state saved.
struct StopRequest {
  int signal = 0;  // 0: somebody put the request file there
};

/// Signals reach ranks at different times, or one of them only; a checkpoint takes all. Every so many steps the ranks add
/// up what they know. How many is agreed on at each look, from the time that steps take, so that looks come about ten
/// times a second however fast steps are. [main]
class StopPoll {
 public:
  /// signal: the number of the signal that this rank got, 0 for none. request: looked for by rank 0. world outlives it.
  StopPoll(comm::World& world, std::function<int()> signal, std::filesystem::path request);

  /// Steps of another kind begin: the first is followed by a look.
  void restart();

  /// After a step, on all ranks. Collective when it looks. Gives what all agreed on.
  [[nodiscard]] std::optional<StopRequest> after_step();

  [[nodiscard]] const std::filesystem::path& request() const { return request_; }

 private:
  using Clock = std::chrono::steady_clock;

  comm::World& world_;
  std::function<int()> signal_;
  std::filesystem::path request_;
  Clock::time_point last_look_ = Clock::now();
  int64_t steps_ = 0;  // since then
  int64_t look_after_ = 1;
};

}  // namespace strata::train
