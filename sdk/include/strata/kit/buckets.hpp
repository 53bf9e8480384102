// A whole model in flat buffers: values and gradients side by side, cut into buckets of one dtype each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/cpp/strategy.hpp"

namespace strata::kit {

/// One parameter's place in its bucket, in elements.
struct STRATA_HIDDEN Slot {
  int32_t param;
  int64_t offset;
  int64_t numel;
};

/// Parameters of one dtype whose gradients are contiguous.
struct STRATA_HIDDEN Bucket {
  int32_t dtype = STRATA_F32;
  bool trainable = true;
  int64_t numel = 0;         // padding included, without the marks
  int64_t value_offset = 0;  // bytes in the value buffer
  int64_t grad_offset = 0;   // bytes in the gradient buffer
  std::vector<Slot> slots;

  /// Elements of the gradient area with one mark per parameter behind it (see mark_touched()).
  [[nodiscard]] int64_t numel_with_marks() const {
    return numel + static_cast<int64_t>(slots.size());
  }
};

/// Cuts all parameters into buckets of at most cap_bytes of gradient (a larger parameter has one of its own), last
/// declared first, because gradients come in that order. Frozen parameters have buckets without gradient.
/// first_cap_bytes: of the first bucket, so that communication starts early.
std::vector<Bucket> make_buckets(const ModelView& model,
                                 int64_t cap_bytes,
                                 int64_t first_cap_bytes);

/// The buffers behind buckets, resident for the whole run on every rank.
class STRATA_HIDDEN FlatStore {
 public:
  FlatStore() = default;

  /// Allocates, binds every parameter, lets the host fill all units. In materialize() of the root.
  FlatStore(strata_runtime* runtime, const ModelView& model, std::vector<Bucket> buckets);

  [[nodiscard]] const std::vector<Bucket>& buckets() const { return buckets_; }

  /// The bucket a parameter lies in.
  [[nodiscard]] size_t bucket_of(int32_t param) const {
    return bucket_of_[static_cast<size_t>(param)];
  }

  [[nodiscard]] void* grads(const Bucket& bucket) const {
    return grads_.data() + bucket.grad_offset;
  }

  void optim_views(const OptimViewSink& out) const;

  /// Writes behind the bucket's gradients, as numbers, which of its parameters backward reached, so that a sum over ranks
  /// tells which were reached anywhere.
  void mark_touched(const Bucket& bucket) const;
  /// Reads the sums back and tells the host.
  void read_touched(const Bucket& bucket) const;

 private:
  strata_runtime* runtime_ = nullptr;
  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_;
  Buffer values_;
  Buffer grads_;
};

/// Bytes of parameters, gradients and optimizer state when every rank holds all of them.
void estimate_replicated(const strata_estimate_args& args, strata_estimate& out);

}  // namespace strata::kit
