// What a run knows about itself: scalars with history and named facts, as MMEngine's MessageHub.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "strata/abi/services.h"

namespace strata::hooks {

/// The latest values of one scalar, each a sum over `count` things. Older ones than `capacity` are
/// forgotten one by one; what goes over all of them (mean, max, min of everything) is kept apart
/// and stays exact.
class History {
 public:
  static constexpr int64_t kCapacity = 100'000;

  explicit History(int64_t capacity = kCapacity) : capacity_(capacity) {}

  void update(double value, int64_t count);

  /// Values seen since the start, forgotten ones included.
  [[nodiscard]] int64_t size() const { return seen_; }

  [[nodiscard]] double current() const { return items_.back().value; }

  // Over the last `window` values, or all of them when there are fewer. NaN spreads into each of
  // them.
  [[nodiscard]] double mean(int64_t window) const;  ///< sum of values over sum of counts
  [[nodiscard]] double max(int64_t window) const;
  [[nodiscard]] double min(int64_t window) const;

 private:
  struct Item {
    double value;
    int64_t count;
  };

  [[nodiscard]] std::deque<Item>::const_iterator first_of(int64_t window) const;

  int64_t capacity_;
  int64_t seen_ = 0;
  std::deque<Item> items_;
  double sum_ = 0;
  int64_t count_ = 0;
  double max_ = 0;
  double min_ = 0;
};

/// Scalars ("train/loss") keep the order in which they came first: log lines follow it. [main]
///
/// `resumed` says whether a checkpoint keeps the key. It is settled by the key's first update.
/// Errors: STRATA_E_ARGUMENT for another `resumed` later, or a count below 1.
class MessageHub {
 public:
  using Fact = std::variant<std::string, double>;

  void update_scalar(std::string_view key, double value, int64_t count = 1, bool resumed = true);
  /// nullptr when there is none.
  [[nodiscard]] const History* scalar(std::string_view key) const;

  [[nodiscard]] const std::deque<std::pair<std::string, History>>& scalars() const {
    return scalars_;
  }

  void set(std::string_view key, Fact value, bool resumed = true);
  /// nullptr when there is none of this type. Valid until the key is set again.
  [[nodiscard]] const std::string* text(std::string_view key) const;
  [[nodiscard]] std::optional<double> number(std::string_view key) const;

  [[nodiscard]] const std::map<std::string, Fact, std::less<>>& facts() const { return facts_; }

  /// The facts that are resumed, as JSON. Histories are not in it.
  [[nodiscard]] std::string save() const;
  /// Sets what save() gave; other facts stay. Errors: STRATA_E_FAILED for text that is not of
  /// save().
  void load(std::string_view json);

 private:
  void settle(std::string_view key, bool resumed);

  std::deque<std::pair<std::string, History>> scalars_;
  std::map<std::string, History*, std::less<>> by_key_;
  std::map<std::string, Fact, std::less<>> facts_;
  std::map<std::string, bool, std::less<>> resumed_;
};

/// The table handed to plugins, on rt->hub.
const strata_hub_api* hub_service();

}  // namespace strata::hooks
