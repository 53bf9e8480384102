// MyHook: says a word every `interval` iterations. The least a plugin in C++ can be.
#include "strata/cpp/hook.hpp"

namespace {

struct MyConfig {
  int64_t interval = 10;  // iterations
};

class MyHook final : public strata::Hook {
 public:
  explicit MyHook(const MyConfig& config) : config_(config) {}

  [[nodiscard]] uint64_t points() const override {
    return uint64_t{1} << STRATA_POINT_AFTER_TRAIN_ITER;
  }

  void on(int32_t, const strata::HookContext&) override {
    const strata_progress at = progress();
    if (every_n_train_iters(at, config_.interval)) {
      info("MyHook: iteration ", at.iter + 1);
    }
  }

 private:
  MyConfig config_;
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<MyHook, MyConfig>("MyHook")
        .doc("Says a word now and then.")
        .field("interval", &MyConfig::interval, "iterations between two words", "[1, inf)"));
