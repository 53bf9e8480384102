// One run on one rank: its parts, its loops, and what hooks may ask of it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/loader.hpp"
#include "hooks/hook_bus.hpp"
#include "hooks/hook_specs.hpp"
#include "hooks/log_processor.hpp"
#include "hooks/run_control.hpp"
#include "hooks/scalar_writer.hpp"
#include "hooks/stats_memory.hpp"
#include "train/checkpoints.hpp"
#include "train/engine.hpp"
#include "train/evaluation.hpp"
#include "train/session.hpp"
#include "train/stop_poll.hpp"

namespace strata::train {

/// MMEngine's FlexibleRunner. Parts of a run that a command does not need are never built. [main]
class Runner final : public hooks::RunControl {
 public:
  /// Makes all plugin objects and hooks, opens the data, logs the start-up dump; allocates no model.
  /// signal: the number of a signal that asked this rank to stop, 0 for none; asked between iterations.
  Runner(Session& session, Command command, std::function<int()> signal);
  ~Runner() override;

  /// Ends early, with its state saved, when a rank was asked to stop after the first update, or somebody put the file
  /// kStopFile into the work_dir: after_run comes then, after_train does not.
  void train();

  /// What ended train() early.
  [[nodiscard]] const std::optional<StopRequest>& stopped() const { return stopped_; }

  static constexpr const char* kStopFile = "save_and_stop";

  /// Validates or tests, by the command given. Returns the metrics.
  border::Numbers evaluate();

  // hooks::RunControl
  [[nodiscard]] int32_t rank() const override { return session_.world().rank(); }

  [[nodiscard]] int32_t world_size() const override { return session_.world().size(); }

  [[nodiscard]] strata_progress progress() const override { return progress_; }

  [[nodiscard]] const std::string& work_dir() const override { return work_dir_; }

  [[nodiscard]] const std::string& log_dir() const override { return log_dir_; }

  [[nodiscard]] const std::string& experiment_name() const override {
    return session_.experiment();
  }

  [[nodiscard]] int64_t seed() const override { return session_.seed(); }

  [[nodiscard]] std::optional<double> hyper(std::string_view name) override;
  [[nodiscard]] std::optional<double> base_lr() override;

  void set_sampler_epoch(int64_t epoch) override { sampler_epoch_ = epoch; }

  void scheduler_step(int32_t when) override;
  void stop_training(std::string_view reason) override;
  void save_checkpoint(const hooks::SaveRequest& request) override;
  void refresh_checkpoint(std::string_view out_dir, std::string_view name) override;
  void remove_checkpoint(std::string_view out_dir, std::string_view name) override;
  std::string publish_checkpoint(std::string_view out_dir,
                                 std::string_view name,
                                 const std::vector<std::string>& keys) override;
  [[nodiscard]] hooks::LogLine log_after_iter(int64_t batch_idx, int32_t mode) override;
  [[nodiscard]] hooks::LogLine log_after_epoch(int64_t batches, int32_t mode) override;
  void add_scalars(const hooks::Scalars& scalars, int64_t step) override;

 private:
  /// Leaves the loops after save_for_stop().
  struct EarlyEnd {};

  /// The newest checkpoint of this run that has everything, and is last_checkpoint.
  struct Resumable {
    int64_t epochs = -1;
    int64_t iters = -1;
    std::string path;
  };

  void make_hooks();
  data::Loader make_loader(const LoaderConfig& config);
  void build_engine(bool training);
  void restore_training_state();

  void run_epochs();
  void run_iterations();
  void train_epoch();
  void train_iter(data::Batch& batch, int64_t batch_idx);
  void validate_if_due(int64_t done);
  border::Numbers run_evaluation(int32_t mode);
  void stop_if_interrupted() const;
  void stop_if_asked();
  void save_for_stop(const StopRequest& request);

  [[nodiscard]] Counters counters() const;
  void take_position(const Restored& restored);

  void now_or_after_update(std::function<void()> action);
  void run_waiting();
  void count_traffic(int64_t sent_before, bool updated);
  void log_states();
  [[nodiscard]] hooks::Scalars unshown_scalars() const;
  void close_window();

  Session& session_;
  Command command_;
  std::function<int()> signal_;
  StopPoll stop_poll_;
  std::optional<StopRequest> stopped_;
  std::string work_dir_;
  std::string log_dir_;
  EngineObjects objects_;
  std::vector<hooks::HookSpec> hook_specs_;
  hooks::HookBus hooks_;
  hooks::PeakMemory peak_memory_;
  std::unique_ptr<hooks::LogProcessor> log_processor_;
  std::unique_ptr<hooks::ScalarWriter> scalars_;
  std::unique_ptr<data::Loader> train_loader_;
  std::unique_ptr<data::Loader> eval_loader_;
  std::unique_ptr<Evaluation> evaluation_;
  std::unique_ptr<Engine> engine_;
  CheckpointWriter writer_;
  strata_progress progress_{};
  int64_t sampler_epoch_ = 0;
  int64_t epochs_done_ = 0;  // ahead of progress_ during the hooks after an epoch or iteration
  int64_t iters_done_ = 0;
  int64_t data_shift_ =
      0;  // of the place in the data, in batches, against iterations; by iteration alone
  int64_t sent_in_window_ = 0;
  int64_t sent_in_step_ = 0;  // of the last update
  bool window_open_ = false;  // inside an accumulation window
  int64_t updates_here_ = 0;  // since this process began
  Resumable resumable_;
  std::deque<std::function<void()>> after_update_;
  border::Numbers last_metrics_;
  std::string stop_reason_;
  StartPoint start_;
};

}  // namespace strata::train
