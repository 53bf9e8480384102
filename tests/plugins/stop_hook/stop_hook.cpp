// Stops training after a given iteration, or kills one rank's process before one.
#include <csignal>

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

}  // namespace

STRATA_PLUGIN(strata::exported<StopHook, StopConfig>("StopHook")
                  .doc("Stops training.")
                  .field("after", &StopConfig::after, "iterations"),
              strata::exported<DieHook, DieConfig>("DieHook")
                  .doc("Kills a rank.")
                  .field("rank", &DieConfig::rank, "the one that dies")
                  .field("iter", &DieConfig::iter, "before which, from 0"));
