// Stops training after a given iteration.
#include "strata/cpp/hook.hpp"

namespace {

struct StopConfig {
  int64_t after = 1;
};

class StopHook final : public strata::Hook {
 public:
  explicit StopHook(const StopConfig& config) : config_(config) {}

  [[nodiscard]] uint64_t points() const override { return uint64_t{1} << STRATA_POINT_AFTER_TRAIN_ITER; }

  void on(int32_t, const strata::HookContext&) override {
    if (progress().iter + 1 == config_.after) {
      strata::check(run().stop_training(runtime(), strata::view(std::string_view("the test says so"))));
    }
  }

 private:
  StopConfig config_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<StopHook, StopConfig>("StopHook")
                  .doc("Stops training.")
                  .field("after", &StopConfig::after, "iterations"));
