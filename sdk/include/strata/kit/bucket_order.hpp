// When a bucket of gradients may go out, in one order on all ranks.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::kit {

/// Buckets go out in the order of their numbers, whatever order gradients come in. How often a parameter accumulates in a
/// backward (recomputation may do it several times) is learned from the first one that ends.
class STRATA_HIDDEN BucketOrder {
 public:
  BucketOrder() = default;

  /// How a gradient is met whose bucket went out before.
  enum class Late {
    kRefused,  // an error; so no bucket is ready before the first backward ends
    kAdded  // the caller reduces its bucket once more; so a parameter is taken to accumulate once until learned
  };

  /// bucket_of: for each parameter, its bucket. waits_for: for each bucket, how many parameters it waits for.
  BucketOrder(std::vector<size_t> bucket_of, std::vector<int64_t> waits_for, Late late)
      : bucket_of_(std::move(bucket_of)),
        waits_for_(std::move(waits_for)),
        late_(late),
        seen_(bucket_of_.size(), 0),
        expected_(bucket_of_.size(), 1),
        learned_(late == Late::kAdded) {}

  void begin();

  /// Whether the parameter's bucket went out before.
  [[nodiscard]] bool is_late(int32_t param) const {
    return bucket_of_[static_cast<size_t>(param)] < ready_;
  }

  /// Notes a gradient. Buckets below the returned number may go out. Errors: STRATA_E_FAILED for a late one that is
  /// refused; `advice` ends the message.
  size_t note(int32_t param, std::string_view name, std::string_view advice);
  /// After a complete backward.
  void learn();

  [[nodiscard]] size_t size() const { return waits_for_.size(); }

 private:
  std::vector<size_t> bucket_of_;
  std::vector<int64_t> waits_for_;
  Late late_ = Late::kRefused;
  std::vector<int64_t> seen_;      // per parameter: accumulations in this backward
  std::vector<int64_t> expected_;  // the same in the first complete one
  std::vector<int64_t> left_;      // per bucket: parameters whose gradients have not all come
  size_t ready_ = 0;
  bool learned_ = false;
  bool surprised_ = false;  // a late gradient came: what was learned is wrong
};

}  // namespace strata::kit
