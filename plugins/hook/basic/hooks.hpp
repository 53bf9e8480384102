// The default hooks and their configuration.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/cpp/hook.hpp"

namespace strata::hook_basic {

constexpr uint64_t bit(int32_t point) {
  return uint64_t{1} << point;
}

/// Whether a host call found what it was asked for. Other failures are thrown.
inline bool found(strata_rc rc) {
  if (rc != STRATA_E_NOT_FOUND) {
    check(rc);
  }
  return rc == STRATA_OK;
}

/// Keeps the hub's facts and turns losses, learning rates and metrics into scalars.
class RuntimeInfoHook final : public Hook {
 public:
  [[nodiscard]] uint64_t points() const override;

  [[nodiscard]] int32_t priority() const override { return kVeryHigh; }

  void on(int32_t point, const HookContext& context) override;

 private:
  void set_text(std::string_view key, std::string_view value) const;
  void set_number(std::string_view key, double value) const;
  void update(std::string_view prefix, const HookContext& context) const;
  void before_run() const;
  void before_train() const;
  void learning_rates() const;
};

/// "<mode>/time", "<mode>/data_time" in seconds, and "eta".
class IterTimerHook final : public Hook {
 public:
  [[nodiscard]] uint64_t points() const override;
  void on(int32_t point, const HookContext& context) override;

 private:
  using Clock = std::chrono::steady_clock;

  void after_iter(const HookContext& context);
  [[nodiscard]] double since_mark() const;
  void update(std::string_view what, double seconds) const;

  Clock::time_point mark_ = Clock::now();
  int64_t start_iter_ = 0;
  double train_seconds_ = 0;
  double eval_seconds_ = 0;
};

/// Tells the sampler which epoch begins, so that it shuffles anew.
class DistSamplerSeedHook final : public Hook {
 public:
  [[nodiscard]] uint64_t points() const override { return bit(STRATA_POINT_BEFORE_TRAIN_EPOCH); }

  void on(int32_t, const HookContext&) override {
    check(run().set_sampler_epoch(runtime(), progress().epoch));
  }
};

/// Lets the schedulers take their steps.
class ParamSchedulerHook final : public Hook {
 public:
  [[nodiscard]] uint64_t points() const override {
    return bit(STRATA_POINT_AFTER_TRAIN_ITER) | bit(STRATA_POINT_AFTER_TRAIN_EPOCH) |
           bit(STRATA_POINT_AFTER_VAL_EPOCH);
  }

  [[nodiscard]] int32_t priority() const override { return kLow; }

  void on(int32_t point, const HookContext&) override {
    const int32_t when = point == STRATA_POINT_AFTER_TRAIN_ITER    ? STRATA_AFTER_ITER
                         : point == STRATA_POINT_AFTER_TRAIN_EPOCH ? STRATA_AFTER_EPOCH
                                                                   : STRATA_AFTER_VAL;
    check(run().scheduler_step(runtime(), when));
  }
};

struct CheckInvalidLossConfig {
  int64_t interval = 1;
  std::string on_invalid = "stop";
};

/// Looks at every value whose name contains "loss". One rank is enough to stop: its error ends the
/// others.
class CheckInvalidLossHook final : public Hook {
 public:
  explicit CheckInvalidLossHook(CheckInvalidLossConfig config) : config_(std::move(config)) {}

  [[nodiscard]] uint64_t points() const override { return bit(STRATA_POINT_AFTER_TRAIN_ITER); }

  void on(int32_t point, const HookContext& context) override;

 private:
  CheckInvalidLossConfig config_;
};

struct LoggerConfig {
  int64_t interval = 10;
  bool ignore_last = true;
  int64_t interval_exp_name = 1000;
  std::optional<bool> log_metric_by_epoch;
  std::string out_dir;
  std::vector<std::string> out_suffix = {".json", ".log", ".toml"};
  bool keep_local = true;
};

/// Writes the log lines and the scalars behind them.
class LoggerHook final : public Hook {
 public:
  explicit LoggerHook(const LoggerConfig& config);

  [[nodiscard]] uint64_t points() const override;

  [[nodiscard]] int32_t priority() const override { return kBelowNormal; }

  void on(int32_t point, const HookContext& context) override;

 private:
  void after_train_iter(const HookContext& context) const;
  void after_eval_iter(const HookContext& context, int32_t mode) const;
  void after_val_epoch() const;
  void after_test_epoch() const;
  void after_run() const;
  using Tags = std::vector<std::pair<std::string, double>>;

  [[nodiscard]] Tags log_epoch(int32_t mode) const;
  void add_scalars(const Tags& tags, int64_t step) const;
  void copy_logs(const std::filesystem::path& from, const std::filesystem::path& to) const;
  [[nodiscard]] bool is_copied(const std::filesystem::path& file) const;

  LoggerConfig config_;
};

struct CheckpointConfig {
  int64_t interval = -1;
  std::optional<bool> by_epoch;
  int64_t save_begin = 0;
  bool save_optimizer = true;
  bool save_param_scheduler = true;
  bool save_last = true;
  bool async_save = true;
  std::string out_dir;
  int64_t max_keep_ckpts = -1;
  Node save_best;
  Node rule;
  std::vector<std::string> greater_keys = {
      "acc", "top", "AR@", "auc", "precision", "mAP", "mDice", "mIoU", "mAcc", "aAcc"};
  std::vector<std::string> less_keys = {"loss"};
  std::string filename_tmpl;
  Node published_keys;
  Node backend_args;
};

/// A text or a list of texts; nothing for an absent node.
std::vector<std::string> texts_of(const Node& node);

/// Which metrics `save_best` watches, and which of two scores is the better one.
class BestRules {
 public:
  BestRules() = default;

  /// Errors: STRATA_E_CONFIG at save_best or rule.
  explicit BestRules(const CheckpointConfig& config);

  [[nodiscard]] bool empty() const { return metrics_.empty(); }

  [[nodiscard]] bool several() const { return metrics_.size() > 1; }

  /// Where the hub has the path of a metric's best checkpoint.
  [[nodiscard]] std::string path_key(const std::string& metric) const {
    return several() ? "best_ckpt_" + metric : "best_ckpt";
  }

  [[nodiscard]] std::vector<std::string> path_keys() const;

  /// The metrics to look at, of those that a validation gave: "auto" is the first.
  /// Errors: STRATA_E_NOT_FOUND naming those that there are.
  [[nodiscard]] std::vector<strata_named_number> pick(std::span<const strata_named_number> given);

  /// NaN is never better, and anything else is better than nothing.
  [[nodiscard]] bool is_better(std::string_view metric,
                               double score,
                               std::optional<double> best) const;

 private:
  [[nodiscard]] bool infer_greater(const std::string& metric) const;

  std::vector<std::string> metrics_;
  std::map<std::string, bool, std::less<>> greater_;
  std::optional<bool> auto_greater_;
  std::vector<std::string> greater_keys_;
  std::vector<std::string> less_keys_;
  std::string where_;
};

/// Saves checkpoints when they are due, keeps the newest few and the best.
///
/// The regular checkpoint is written once. When the validation after it finds a new best, only the
/// hub's part of it is refreshed. An old checkpoint is removed after its successor is complete.
/// After training the last and the best are published, when published_keys says what of them.
class CheckpointHook final : public Hook {
 public:
  explicit CheckpointHook(const CheckpointConfig& config);

  [[nodiscard]] uint64_t points() const override;

  [[nodiscard]] int32_t priority() const override { return kVeryLow; }

  void on(int32_t point, const HookContext& context) override;

 private:
  void before_train();
  void after_train_step(bool epoch_end);
  void after_val_epoch(const HookContext& context);
  void save_best(const strata_named_number& metric, int64_t count);
  void publish_all() const;
  void publish(const std::filesystem::path& checkpoint) const;
  void write_checkpoint(const std::string& name, bool best) const;
  void remove_checkpoint(const std::string& name) const;
  void drop_surplus(std::vector<std::string>& kept) const;
  [[nodiscard]] std::string name_of(int64_t count) const;
  [[nodiscard]] std::string kept_key() const;
  [[nodiscard]] std::vector<std::string> kept() const;
  void set_text(const std::string& key, const std::string& value) const;
  [[nodiscard]] std::string text_of(const std::string& key) const;

  CheckpointConfig config_;
  BestRules best_;
  std::vector<std::string> published_keys_;
  bool by_epoch_ = true;
  bool training_ = false;
  std::string folder_;   // where checkpoints go
  std::string out_dir_;  // the same as the run wants it: empty for the work_dir
  std::string last_name_;
};

}  // namespace strata::hook_basic
