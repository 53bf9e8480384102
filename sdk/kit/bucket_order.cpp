// Counting gradients.
#include "strata/kit/bucket_order.hpp"

#include <algorithm>

namespace strata::kit {

void BucketOrder::begin() {
  std::ranges::fill(seen_, int64_t{0});
  left_ = waits_for_;
  ready_ = 0;
}

size_t BucketOrder::note(int32_t param, std::string_view name, std::string_view advice) {
  const auto id = static_cast<size_t>(param);
  ++seen_[id];
  if (!learned_) {
    return 0;
  }
  const size_t bucket = bucket_of_[id];
  if (bucket < ready_ && late_ == Late::kAdded) {
    surprised_ = true;
    return ready_;
  }
  if (bucket < ready_) {
    throw run_error("parameter \"",
                    name,
                    "\" received another gradient after its bucket was sent: this model uses "
                    "parameters a varying number of times; ",
                    advice);
  }
  if (seen_[id] == expected_[id]) {
    --left_[bucket];
  }
  while (ready_ < left_.size() && left_[ready_] == 0) {
    ++ready_;
  }
  return ready_;
}

void BucketOrder::learn() {
  if (!learned_ || surprised_) {
    expected_ = seen_;
    learned_ = true;
    surprised_ = false;
  }
}

}  // namespace strata::kit
