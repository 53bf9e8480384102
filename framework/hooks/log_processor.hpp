// The log line: which scalars of the hub it shows, over how many iterations, and its exact layout.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <regex>
#include <span>
#include <string>
#include <string_view>

#include "strata/abi/services.h"

#include "hooks/log_options.hpp"
#include "hooks/message_hub.hpp"
#include "hooks/run_control.hpp"

namespace strata::hooks {

/// What a line needs and the hub does not have.
struct LogSources {
  /// Replaces each value by its mean over all ranks. Collective; called once for each training
  /// line.
  std::function<void(std::span<double>)> mean_over_ranks;
  /// Megabytes at the peak since the last call, of this rank.
  std::function<int64_t()> peak_mb;
  /// Further numbers of a training iteration for scalars.json, which the line does not show. May be empty.
  std::function<Scalars()> unshown = {};
};

/// "0:13:14", "1 day, 2:03:04": Python's str(timedelta(seconds=int(seconds))). Negative and NaN
/// count as 0.
std::string duration_text(double seconds);

/// MMEngine's LogProcessor. [main]
///
/// A training line shows means over all ranks, of everything but learning rates; so every rank asks
/// for the same lines. `eta` and `memory` are this rank's own. Validation lines are not reduced:
/// metrics are the same everywhere. In an epoch's summary metrics are the latest ones, `time` and
/// `data_time` means over the epoch.
class LogProcessor {
 public:
  /// hub: outlives this object.
  LogProcessor(LogOptions options, const MessageHub& hub, LogSources sources);

  /// After an iteration of the loop that `at` describes; its counters have not grown yet.
  /// batch_idx: as hook points have it. Collective in training.
  LogLine after_iter(const strata_progress& at, int64_t batch_idx);

  /// After a whole validation or test loop of `batches` batches.
  LogLine after_epoch(const strata_progress& at, int64_t batches);

 private:
  struct Item {
    std::string name;  // without "train/"
    double value;

    [[nodiscard]] bool is_lr() const { return name.ends_with("lr"); }
  };

  using Items = std::vector<Item>;

  [[nodiscard]] bool epochs(const strata_progress& at) const {
    return options_.by_epoch.value_or(at.by_epoch != 0);
  }

  bool is_mean(const std::string& name);
  Items collect(std::string_view mode, bool windowed);
  void add_custom(const strata_progress& at, int64_t batch_idx, Items& items) const;
  void average(Items& items) const;
  [[nodiscard]] std::string header(const strata_progress& at, int64_t batch_idx) const;
  [[nodiscard]] std::string decimal(double value) const;
  [[nodiscard]] std::string times(const Items& items) const;
  void add_tags_of_the_run(const strata_progress& at, int64_t memory, Scalars& tags) const;
  [[nodiscard]] std::string tag_name(const strata_progress& at, const std::string& name) const;

  LogOptions options_;
  const MessageHub& hub_;
  LogSources sources_;
  std::regex pattern_;
  std::map<std::string, bool, std::less<>> is_mean_;  // the pattern is matched once for each name
};

}  // namespace strata::hooks
