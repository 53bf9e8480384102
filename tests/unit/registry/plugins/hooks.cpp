// Two hooks that only check their configuration, and a type of another kind.
#include "strata/cpp/hook.hpp"

namespace {

struct MeanConfig {
  int64_t interval = 10;
  double rate = 0.5;
  std::string mode = "mean";
  std::vector<std::string> keys;
  strata::Node extra;
  bool fail = false;
};

class MeanHook final : public strata::Hook {
 public:
  explicit MeanHook(const MeanConfig& config) : interval_(config.interval) {
    if (config.extra) {
      depth_ = config.extra.find("inner.depth") ? config.extra.find("inner.depth").as_int() : 0;
    }
    if (config.fail) {
      throw strata::Error(STRATA_E_CONFIG, strata::text("mode ", config.mode, " cannot work here"));
    }
  }

  [[nodiscard]] uint64_t points() const override {
    return static_cast<uint64_t>(interval_ * 1000 + depth_);
  }

  void on(int32_t, const strata::HookContext&) override {}

 private:
  int64_t interval_;
  int64_t depth_ = 0;
};

class TimerHook final : public strata::Hook {
 public:
  [[nodiscard]] uint64_t points() const override { return 0; }

  void on(int32_t, const strata::HookContext&) override {}
};

// Registered as a metric; nobody asks it to be one.
strata::detail::TypeEntry flood_metric() {
  auto entry = strata::exported<TimerHook>("FloodMetric").finish();
  entry.kind = STRATA_KIND_METRIC;
  return entry;
}

struct FloodMetric {
  [[nodiscard]] static strata::detail::TypeEntry finish() { return flood_metric(); }
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<MeanHook, MeanConfig>("MeanHook")
        .doc("Averages what it sees.")
        .required("interval", &MeanConfig::interval, "iterations between two means", "[1, inf)")
        .field("rate", &MeanConfig::rate, "weight of the newest", "(0, 1]")
        .field("mode", &MeanConfig::mode, "how to average", "mean|median")
        .field("keys", &MeanConfig::keys, "what to average")
        .field("extra", &MeanConfig::extra, "checked by the hook itself")
        .field("fail", &MeanConfig::fail, "refuse this configuration"),
    strata::exported<TimerHook>("acme.TimerHook"),
    FloodMetric());
