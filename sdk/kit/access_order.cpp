// Recorded orders.
#include "strata/kit/access_order.hpp"

#include <algorithm>

namespace strata::kit {

void AccessOrder::begin() {
  noted_.clear();
  following_ = !orders_.empty();
}

// Whether the order begins as this iteration did; if so it comes to the front.
bool AccessOrder::follow(size_t order) {
  const std::vector<int32_t>& known = orders_[order];
  if (known.size() < noted_.size() || !std::equal(noted_.begin(), noted_.end(), known.begin())) {
    return false;
  }
  const auto first = orders_.begin();
  const auto chosen = first + static_cast<std::ptrdiff_t>(order);
  std::rotate(first, chosen, chosen + 1);
  return true;
}

void AccessOrder::note(int32_t unit) {
  const size_t place = noted_.size();
  noted_.push_back(unit);
  if (following_ && place < orders_.front().size() && orders_.front()[place] == unit) {
    return;
  }
  following_ = false;
  for (size_t i = 0; i < orders_.size() && !following_; ++i) {
    following_ = follow(i);
  }
}

std::span<const int32_t> AccessOrder::upcoming() const {
  if (!following_) {
    return {};
  }
  return std::span<const int32_t>(orders_.front()).subspan(noted_.size());
}

void AccessOrder::end() {
  const bool known = following_ && orders_.front().size() == noted_.size();
  if (!known && !noted_.empty()) {
    if (orders_.size() == kOrders) {
      orders_.pop_back();
    }
    orders_.insert(orders_.begin(), noted_);
  }
  noted_.clear();
}

}  // namespace strata::kit
