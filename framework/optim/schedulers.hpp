// Drives the hyper-parameters along the schedules of `param_scheduler`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/optim.h"

#include "border/object.hpp"
#include "border/sinks.hpp"
#include "config/value.hpp"
#include "optim/hypers.hpp"

namespace strata::optim {

/// How long the run is. 0: unknown.
struct RunLength {
  bool by_epoch = true;  // the run counts epochs
  int64_t max_epochs = 0;
  int64_t max_iters = 0;
  int64_t epoch_length = 0;  // iterations
  int64_t accumulation = 1;  // iterations of an update
};

/// Makes the object that a table describes.
using SchedulerFactory =
    std::function<border::Object<strata_param_scheduler_api>(const config::Value& table)>;

/// All schedulers of a run, in the order of the config. [main]
///
/// Each acts on the current value while begin <= position < end, so that windows in a row chain.
/// Its position is the number of epochs, iterations or updates done. Iterations are micro-batches.
class Schedulers {
 public:
  /// Takes step 0 at once. config: a table, a list of tables, or nullptr for none; hypers must
  /// outlive this. Errors: STRATA_E_CONFIG at the table for an unknown hyper-parameter, an empty
  /// window, or epochs in a run that has
  ///         none.
  Schedulers(const config::Value* config,
             const SchedulerFactory& make,
             HyperTable& hypers,
             const RunLength& run);

  /// After an iteration, an epoch or a validation (STRATA_AFTER_*). metrics: of the validation.
  /// updates: applied since the run began; those that count them move when it has grown.
  /// Errors: STRATA_E_CONFIG naming the metrics there are, when the one that is monitored is
  /// missing.
  void step(int32_t when, const border::Numbers& metrics = {}, int64_t updates = 0);

  [[nodiscard]] size_t size() const { return items_.size(); }

  /// Position, state of the objects and the hyper-parameters as they are, as JSON.
  [[nodiscard]] std::string save() const;
  /// Goes on from there to the bit. False when the config's schedules, initial values or lengths are
  /// others than they were: then nothing is loaded, and recompute() is to be called. With a schedule
  /// that monitors a metric, whose past cannot be computed: goes on from where the values were, a
  /// hyper-parameter with another initial value at the ratio it had reached.
  /// Errors: STRATA_E_IO for text that save() did not write.
  [[nodiscard]] bool load(std::string_view json);
  /// The values after so much progress, as if the run had had this config from the start; updates are
  /// taken to have come evenly. None of the schedules monitors a metric.
  void recompute(int64_t epochs, int64_t iters, int64_t updates);

 private:
  enum class Clock { kEpoch, kIter, kUpdate };

  struct Driven {
    size_t column;
    int32_t param;  // as strata_scheduler_args counts them
  };

  struct Item {
    border::Object<strata_param_scheduler_api> object;
    std::string where;    // of its table
    std::string param;    // as it calls the hyper-parameter
    std::string monitor;  // empty: steps with the epochs or iterations
    std::string config;   // its table, to tell whether it is the same later
    std::vector<Driven> driven;
    int64_t begin = 0;
    int64_t end = 0;
    int64_t length = 0;  // as the object is told
    Clock clock = Clock::kEpoch;
    int32_t epoch_length = 1;  // of what was converted
    int64_t validations = 0;   // of a monitoring one, inside its window
  };

  void add(const config::Value& table, const SchedulerFactory& make, const RunLength& run);
  void find_driven(Item& item, const strata_scheduler_desc& desc) const;
  static void count_iterations(Item& item, const RunLength& run);
  static void place_updates(Item& item, const RunLength& run);
  static void place(Item& item, const strata_scheduler_desc& desc, const RunLength& run);
  [[nodiscard]] bool is_planned_as(std::string_view json) const;
  void load_all(std::string_view json);
  void begin();
  void advance(Clock clock, int64_t position);
  void validated(Item& item, const border::Numbers& metrics);
  void apply(Item& item, int64_t t, double metric);
  void apply_to(Item& item, const Driven& driven, strata_scheduler_args args);

  HyperTable* hypers_;
  std::vector<Item> items_;
  int64_t epoch_length_ = 0;  // iterations
  int64_t epochs_ = 0;        // done
  int64_t iters_ = 0;
  int64_t updates_ = 0;
};

}  // namespace strata::optim
