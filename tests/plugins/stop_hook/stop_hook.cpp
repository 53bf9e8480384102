// Stops training after a given iteration, or sends one rank's process a signal at some point.
#include <csignal>
#include <utility>

#include "strata/cpp/hook.hpp"

namespace {

struct StopConfig {
  int64_t after = 1;
};

class StopHook final : public strata::Hook {
 public:
  explicit StopHook(const StopConfig& config) : config_(config) {}

  [[nodiscard]] uint64_t points() const override {
    return uint64_t{1} << STRATA_POINT_AFTER_TRAIN_ITER;
  }

  void on(int32_t, const strata::HookContext&) override {
    if (progress().iter + 1 == config_.after) {
      strata::check(
          run().stop_training(runtime(), strata::view(std::string_view("the test says so"))));
    }
  }

 private:
  StopConfig config_;
};

struct DieConfig {
  int64_t rank = 1;
  int64_t iter = 2;
};

class DieHook final : public strata::Hook {
 public:
  explicit DieHook(const DieConfig& config) : config_(config) {}

  [[nodiscard]] uint64_t points() const override {
    return uint64_t{1} << STRATA_POINT_BEFORE_TRAIN_ITER;
  }

  void on(int32_t, const strata::HookContext&) override {
    if (progress().iter == config_.iter && run().rank(runtime()) == config_.rank) {
      std::raise(SIGKILL);
    }
  }

 private:
  DieConfig config_;
};

struct SignalConfig {
  std::string at = "train";
  int64_t number = 0;
  int64_t rank = 0;
  int64_t signal = SIGTERM;
};

class SignalHook final : public strata::Hook {
 public:
  explicit SignalHook(SignalConfig config) : config_(std::move(config)) {}

  [[nodiscard]] uint64_t points() const override {
    return uint64_t{1} << STRATA_POINT_BEFORE_TRAIN |
           uint64_t{1} << STRATA_POINT_BEFORE_TRAIN_ITER |
           uint64_t{1} << STRATA_POINT_AFTER_TRAIN_EPOCH;
  }

  void on(int32_t point, const strata::HookContext&) override {
    const strata_progress p = progress();
    const bool now = point == STRATA_POINT_BEFORE_TRAIN ? config_.at == "train"
                     : point == STRATA_POINT_BEFORE_TRAIN_ITER
                         ? config_.at == "iter" && p.iter == config_.number
                         : config_.at == "epoch" && p.epoch == config_.number;
    if (now && run().rank(runtime()) == config_.rank) {
      std::raise(static_cast<int>(config_.signal));
    }
  }

 private:
  SignalConfig config_;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<StopHook, StopConfig>("StopHook")
        .doc("Stops training.")
        .field("after", &StopConfig::after, "iterations"),
    strata::exported<DieHook, DieConfig>("DieHook")
        .doc("Kills a rank.")
        .field("rank", &DieConfig::rank, "the one that dies")
        .field("iter", &DieConfig::iter, "before which, from 0"),
    strata::exported<SignalHook, SignalConfig>("SignalHook")
        .doc("Sends a rank a signal.")
        .field("at", &SignalConfig::at, "train: before it; epoch: after it", "train|iter|epoch")
        .field("number", &SignalConfig::number, "of the iteration or epoch, from 0")
        .field("rank", &SignalConfig::rank, "the one that gets it")
        .field("signal", &SignalConfig::signal, "its number"));
