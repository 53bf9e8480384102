// EMAHook: averages of the weights over the iterations; validation sees them, training never does.
#include <algorithm>
#include <cstring>
#include <vector>

#include <nlohmann/json.hpp>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/hook.hpp"
#include "strata/cpp/updates.hpp"

#include "average.hpp"
#include "config.hpp"

namespace strata::hook_ema {
namespace {

constexpr std::string_view kState = "ema";

constexpr uint64_t bits(std::initializer_list<int32_t> points) {
  uint64_t out = 0;
  for (const int32_t point : points) {
    out |= uint64_t{1} << point;
  }
  return out;
}

/// A stretch of values and its average.
struct Pair {
  void* value;
  void* average;
  int64_t count;
  int32_t dtype;

  [[nodiscard]] size_t bytes() const { return static_cast<size_t>(count * size_of(dtype)); }
};

/// While no value was taken in the averages are the values: nothing is copied until somebody asks for them.
class EmaHook final : public Hook {
 public:
  explicit EmaHook(const EmaConfig& config) : options_(read_options(config)) {}

  [[nodiscard]] uint64_t points() const override {
    return bits({STRATA_POINT_AFTER_LOAD_CHECKPOINT,
                 STRATA_POINT_BEFORE_RUN,
                 STRATA_POINT_BEFORE_TRAIN,
                 STRATA_POINT_AFTER_TRAIN_ITER,
                 STRATA_POINT_BEFORE_VAL_EPOCH,
                 STRATA_POINT_BEFORE_VAL_ITER,
                 STRATA_POINT_AFTER_VAL_EPOCH,
                 STRATA_POINT_BEFORE_SAVE_CHECKPOINT});
  }

  [[nodiscard]] std::string_view weights_state() const override { return kState; }

  void on(int32_t point, const HookContext&) override {
    if (progress().max_iters == 0) {
      return;  // nothing is trained: what was loaded are the averages, if there were any
    }
    switch (point) {
      case STRATA_POINT_AFTER_LOAD_CHECKPOINT:
      case STRATA_POINT_BEFORE_RUN:
        return keep();
      case STRATA_POINT_BEFORE_TRAIN:
        return before_train();
      case STRATA_POINT_AFTER_TRAIN_ITER:
        return after_train_iter();
      case STRATA_POINT_BEFORE_VAL_EPOCH:
        in_validation_ = true;
        return show_averages(true);
      case STRATA_POINT_BEFORE_VAL_ITER:
        return show_averages(in_validation_);
      case STRATA_POINT_AFTER_VAL_EPOCH:
        in_validation_ = false;
        return show_averages(false);
      default:
        return before_save();
    }
  }

  std::string save() override { return nlohmann::json{{"steps", steps_}}.dump(); }

  void load(std::string_view json) override {
    steps_ = nlohmann::json::parse(json).at("steps").get<int64_t>();
    restored_ = true;
  }

 private:
  /// Before the run's state is brought back, which finds the averages' place then, and their beginnings if it has none.
  void keep() {
    if (!kept_) {
      updates().add_state(kState, options_.update_buffers);
      kept_ = true;
      copy_values();
    }
  }

  void before_train() {
    const strata_progress p = progress();
    if (options_.begin_epoch > 0 && p.by_epoch == 0) {
      throw config_error("", "EMAHook: begin_epoch in a loop of iterations; use begin_iter");
    }
    if (options_.begin_epoch > p.max_epochs || options_.begin_iter > p.max_iters) {
      throw config_error("",
                         "EMAHook begins at ",
                         options_.begin_epoch > 0 ? "epoch " : "iteration ",
                         std::max(options_.begin_epoch, options_.begin_iter),
                         ", after the end of the run");
    }
    if (options_.rule.momentum > 0.5) {
      warn("EMAHook: momentum = ",
           options_.rule.momentum,
           " is the weight of the newest values; an average wants a small one");
    }
    if (p.iter > 0 && !restored_) {
      const std::string what = "the checkpoint was saved without EMAHook and has no averages";
      if (options_.strict_load) {
        throw config_error("", what, "; leave strict_load out to begin with the present values");
      }
      warn("EMAHook: ", what, "; they begin with the present values.");
    }
  }

  void after_train_iter() {
    const strata_progress p = progress();
    const bool begun = options_.begin_epoch > 0 ? p.epoch + 1 >= options_.begin_epoch
                                                : p.iter + 1 >= options_.begin_iter;
    if (!begun) {
      return;
    }
    if (steps_ == 0) {
      copy_values();
    } else if (const auto how = options_.rule.next(steps_)) {
      for (const Pair& pair : pairs()) {
        blend(pair.average, pair.value, pair.count, pair.dtype, *how);
      }
    }
    ++steps_;
  }

  void before_save() {
    show_averages(false);  // inside a validation: its next batch has them again
    if (steps_ == 0) {
      copy_values();
    }
  }

  // Averages stand where the values were, and these where the averages were, or the other way round.
  void show_averages(bool shown) {
    if (shown == shown_ || steps_ == 0) {
      return;
    }
    for (const Pair& pair : pairs()) {
      auto* const value = static_cast<std::byte*>(pair.value);
      std::swap_ranges(value, value + pair.bytes(), static_cast<std::byte*>(pair.average));
    }
    shown_ = shown;
    updates().values_changed();
  }

  void copy_values() const {
    for (const Pair& pair : pairs()) {
      std::memcpy(pair.average, pair.value, pair.bytes());
    }
  }

  /// Buffers are averaged only when asked; else those of the averages are those of the model.
  [[nodiscard]] std::vector<Pair> pairs() const {
    std::vector<Pair> out;
    const auto add = [&out](const strata_stretch& s) {
      out.push_back({s.data, nullptr, s.count, s.dtype});
    };
    updates().for_each_stretch({}, add);
    if (options_.update_buffers) {
      updates().for_each_buffer([&](const strata_stretch& s) {
        if (s.dtype == STRATA_F32 || s.dtype == STRATA_F64 || s.dtype == STRATA_F16 ||
            s.dtype == STRATA_BF16) {
          add(s);
        }
      });
    }
    size_t next = 0;
    updates().for_each_stretch(kState, [&](const strata_stretch& s) {
      if (next == out.size() || out[next].count != s.count || out[next].dtype != s.dtype) {
        throw run_error("EMAHook: the averages do not lie as the values of ", view(s.name), " do");
      }
      out[next++].average = s.data;
    });
    return out;
  }

  [[nodiscard]] Updates updates() const { return Updates(runtime()); }

  EmaOptions options_;
  int64_t steps_ = 0;  // iterations taken in
  bool kept_ = false;
  bool restored_ = false;
  bool shown_ = false;
  bool in_validation_ = false;
};

auto ema() {
  using Config = EmaConfig;
  return exported<EmaHook, Config>("EMAHook")
      .doc("averages of the weights, which validation and test use")
      .field("ema_type",
             &Config::ema_type,
             "ExponentialMovingAverage, MomentumAnnealingEMA or StochasticWeightAverage, or a "
             "table with that as type; absent: the first",
             "text|table")
      .field("momentum", &Config::momentum, "weight of the newest values; absent: 0.0002", "(0, 1)")
      .field("gamma", &Config::gamma, "of MomentumAnnealingEMA; absent: 100", "[1, inf)")
      .field("interval", &Config::interval, "iterations between two values; absent: 1", "[1, inf)")
      .field("update_buffers",
             &Config::update_buffers,
             "average floating-point buffers as well; else they are the model's")
      .field("strict_load", &Config::strict_load, "no resume from a checkpoint without averages")
      .field("begin_iter", &Config::begin_iter, "iteration from which on", "[0, inf)")
      .field("begin_epoch", &Config::begin_epoch, "epoch from which on", "[0, inf)");
}

}  // namespace
}  // namespace strata::hook_ema

STRATA_PLUGIN(strata::hook_ema::ema());
