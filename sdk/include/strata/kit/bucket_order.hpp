// When a bucket of gradients may go out, in one order on all ranks.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/cpp/host.hpp"

namespace strata::kit {

/// Buckets go out in the order of their numbers, whatever order gradients come in, each once in a backward. How often a
/// parameter accumulates in one (recomputation may do it several times) is learned from the first backward that ends;
/// until then no bucket is ready before the end.
class STRATA_HIDDEN BucketOrder {
 public:
  BucketOrder() = default;

  /// bucket_of: for each parameter, its bucket. waits_for: for each bucket, how many parameters it waits for.
  BucketOrder(std::vector<size_t> bucket_of, std::vector<int64_t> waits_for)
      : bucket_of_(std::move(bucket_of)),
        waits_for_(std::move(waits_for)),
        seen_(bucket_of_.size(), 0),
        expected_(bucket_of_.size(), 0) {}

  void begin();
  /// Notes a gradient. Buckets below the returned number may go out. Errors: STRATA_E_FAILED, the parameter's bucket went
  /// out before; `advice` ends the message.
  size_t note(int32_t param, std::string_view name, std::string_view advice);
  /// After a complete backward.
  void learn();
  [[nodiscard]] size_t size() const { return waits_for_.size(); }

 private:
  std::vector<size_t> bucket_of_;
  std::vector<int64_t> waits_for_;
  std::vector<int64_t> seen_;      // per parameter: accumulations in this backward
  std::vector<int64_t> expected_;  // the same in the first complete one
  std::vector<int64_t> left_;      // per bucket: parameters whose gradients have not all come
  size_t ready_ = 0;
  bool learned_ = false;
};

}  // namespace strata::kit
