// Looks and their intervals.
#include "train/stop_poll.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <system_error>
#include <utility>

namespace strata::train {
namespace {

constexpr double kSecondsBetweenLooks = 0.1;
constexpr double kMostSteps = 1e6;

}  // namespace

StopPoll::StopPoll(comm::World& world, std::function<int()> signal, std::filesystem::path request)
    : world_(world), signal_(std::move(signal)), request_(std::move(request)) {}

void StopPoll::restart() {
  last_look_ = Clock::now();
  steps_ = 0;
  look_after_ = 1;
}

std::optional<StopRequest> StopPoll::after_step() {
  if (++steps_ < look_after_) {
    return std::nullopt;
  }
  const Clock::time_point now = Clock::now();
  const int signal = signal_ ? signal_() : 0;
  std::error_code unreadable;
  const bool asked = world_.is_main() && std::filesystem::exists(request_, unreadable);
  const double seconds = std::chrono::duration<double>(now - last_look_).count();
  std::array<double, 4> sums = {signal == SIGTERM ? 1.0 : 0.0,
                                signal == SIGINT ? 1.0 : 0.0,
                                asked ? 1.0 : 0.0,
                                seconds / static_cast<double>(steps_)};
  world_.all_reduce_sum(sums.data(), sums.size());
  const double step_seconds = std::max(sums[3] / world_.size(), 1e-9);
  look_after_ =
      static_cast<int64_t>(std::clamp(kSecondsBetweenLooks / step_seconds, 1.0, kMostSteps));
  steps_ = 0;
  last_look_ = now;
  if (sums[0] + sums[1] > 0) {
    return StopRequest{sums[0] > 0 ? SIGTERM : SIGINT};
  }
  return sums[2] > 0 ? std::optional(StopRequest{}) : std::nullopt;
}

}  // namespace strata::train
