// The hyper-parameters of every parameter group: what schedulers drive and the optimizer reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/abi/optim.h"

#include "border/object.hpp"

namespace strata::optim {

struct Hyper {
  std::string name;
  double value = 0;    // as configured
  uint32_t flags = 0;  // STRATA_HYPER_*
};

/// Those of an optimizer, in its order. Errors: the optimizer's own.
std::vector<Hyper> hypers_of(const border::Object<strata_optimizer_api>& optimizer);

/// A row per group. With several groups a further row, the reference, holds the configured values
/// free of multipliers; schedulers drive it as well, and the log shows its learning rate as
/// base_lr. [main]
class HyperTable {
 public:
  /// groups: [group][hyper]; at least one.
  HyperTable(std::vector<Hyper> hypers, const std::vector<std::vector<double>>& groups);

  [[nodiscard]] const std::vector<Hyper>& hypers() const { return hypers_; }

  /// Groups that have parameters.
  [[nodiscard]] int32_t groups() const { return groups_; }

  /// Groups and the reference, if there is one.
  [[nodiscard]] int32_t rows() const { return groups_ == 1 ? 1 : groups_ + 1; }

  /// The column of a name; "lr" and "momentum" are also the columns flagged so (Adam's beta1).
  [[nodiscard]] std::optional<size_t> find(std::string_view name) const;

  [[nodiscard]] double get(int32_t row, size_t column) const { return current_[at(row, column)]; }

  void set(int32_t row, size_t column, double value) { current_[at(row, column)] = value; }

  /// The value before any scheduler touched it.
  [[nodiscard]] double initial(int32_t row, size_t column) const {
    return initial_[at(row, column)];
  }

  /// By name, of group 0 when none is given. Nothing for an unknown name.
  [[nodiscard]] std::optional<double> value(std::string_view name, int32_t group = 0) const;
  /// The reference's learning rate; nothing with a single group.
  [[nodiscard]] std::optional<double> base_lr() const;

  /// Multiplies every learning rate, initial values included.
  /// Errors: STRATA_E_FAILED once schedulers hold the initial values.
  void scale_lr(double factor);

  void freeze_initial() { frozen_ = true; }

  /// [group][hyper], as strata_optim_step_args wants them.
  [[nodiscard]] const double* data() const { return current_.data(); }

 private:
  [[nodiscard]] size_t at(int32_t row, size_t column) const {
    return static_cast<size_t>(row) * hypers_.size() + column;
  }

  std::vector<Hyper> hypers_;
  int32_t groups_;
  std::vector<double> initial_;
  std::vector<double> current_;
  bool frozen_ = false;
};

/// `auto_scale_lr`: the samples of one step of the run over those the learning rate was tuned for.
/// Accumulation does not count. Errors: STRATA_E_ARGUMENT unless all are positive.
double auto_scale_factor(int64_t world_size, int64_t micro_batch_size, int64_t base_batch_size);

}  // namespace strata::optim
