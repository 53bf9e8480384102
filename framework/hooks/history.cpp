// Windowed statistics of one scalar.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hooks/message_hub.hpp"

namespace strata::hooks {
namespace {

// std::max drops or keeps a NaN depending on the order of its arguments.
double larger(double a, double b) {
  return std::isnan(a) || a > b ? a : b;
}

double smaller(double a, double b) {
  return std::isnan(a) || a < b ? a : b;
}

}  // namespace

void History::update(double value, int64_t count) {
  max_ = seen_ == 0 ? value : larger(max_, value);
  min_ = seen_ == 0 ? value : smaller(min_, value);
  sum_ += value;
  count_ += count;
  ++seen_;
  items_.push_back({value, count});
  if (static_cast<int64_t>(items_.size()) > capacity_) {
    items_.pop_front();
  }
}

std::deque<History::Item>::const_iterator History::first_of(int64_t window) const {
  const auto n = std::clamp<int64_t>(window, 1, static_cast<int64_t>(items_.size()));
  return items_.end() - n;
}

double History::mean(int64_t window) const {
  if (window >= seen_) {
    return sum_ / static_cast<double>(count_);
  }
  double sum = 0;
  int64_t count = 0;
  for (auto item = first_of(window); item != items_.end(); ++item) {
    sum += item->value;
    count += item->count;
  }
  return sum / static_cast<double>(count);
}

double History::max(int64_t window) const {
  if (window >= seen_) {
    return max_;
  }
  double out = -std::numeric_limits<double>::infinity();
  for (auto item = first_of(window); item != items_.end(); ++item) {
    out = larger(out, item->value);
  }
  return out;
}

double History::min(int64_t window) const {
  if (window >= seen_) {
    return min_;
  }
  double out = std::numeric_limits<double>::infinity();
  for (auto item = first_of(window); item != items_.end(); ++item) {
    out = smaller(out, item->value);
  }
  return out;
}

}  // namespace strata::hooks
