// What hooks may ask of the run. The runner implements it; plugins reach it as strata_runner_api.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/abi/services.h"

namespace strata::hooks {

/// A checkpoint as a hook asks for it. out_dir: empty for the work_dir.
struct SaveRequest {
  std::string out_dir;
  std::string name;
  bool save_optimizer = true;
  bool save_param_scheduler = true;
  bool update_last = true;
  bool wait = false;  // until it is on the disk
};

/// Names and values in the order of a line.
using Scalars = std::vector<std::pair<std::string, double>>;

/// A line of the log and the values behind it.
struct LogLine {
  std::string text;
  Scalars tags;
};

/// One rank's run. All [main]; collective are those that strata/abi/services.h calls so. May throw.
class RunControl {
 public:
  RunControl() = default;
  RunControl(const RunControl&) = delete;
  RunControl& operator=(const RunControl&) = delete;
  virtual ~RunControl() = default;

  // Where and what the run is. Texts stay valid for the run.
  [[nodiscard]] virtual int32_t rank() const = 0;
  [[nodiscard]] virtual int32_t world_size() const = 0;
  [[nodiscard]] virtual strata_progress progress() const = 0;
  [[nodiscard]] virtual const std::string& work_dir() const = 0;
  [[nodiscard]] virtual const std::string& log_dir() const = 0;
  [[nodiscard]] virtual const std::string& experiment_name() const = 0;
  [[nodiscard]] virtual int64_t seed() const = 0;

  // Training.
  [[nodiscard]] virtual std::optional<double> hyper(std::string_view name) = 0;
  [[nodiscard]] virtual std::optional<double> base_lr() = 0;
  virtual void set_sampler_epoch(int64_t epoch) = 0;
  virtual void scheduler_step(int32_t when) = 0;
  virtual void stop_training(std::string_view reason) = 0;

  // Checkpoints. In the order asked for, also when a save has to wait for the accumulation window's
  // end.
  virtual void save_checkpoint(const SaveRequest& request) = 0;
  virtual void refresh_checkpoint(std::string_view out_dir, std::string_view name) = 0;
  virtual void remove_checkpoint(std::string_view out_dir, std::string_view name) = 0;
  /// Returns the file.
  virtual std::string publish_checkpoint(std::string_view out_dir,
                                         std::string_view name,
                                         const std::vector<std::string>& keys) = 0;

  // Logging.
  [[nodiscard]] virtual LogLine log_after_iter(int64_t batch_idx, int32_t mode) = 0;
  [[nodiscard]] virtual LogLine log_after_epoch(int64_t batches, int32_t mode) = 0;
  virtual void add_scalars(const Scalars& scalars, int64_t step) = 0;
};

/// The table handed to plugins, on rt->run.
const strata_runner_api* runner_service();

}  // namespace strata::hooks
