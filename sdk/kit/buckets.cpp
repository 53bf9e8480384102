// Buckets over flat buffers.
#include "strata/kit/buckets.hpp"

#include <cstring>
#include <utility>

namespace strata::kit {
namespace {

constexpr int64_t kAlignBytes = 64;

int64_t aligned(int64_t elements, int32_t dtype) {
  const int64_t step = kAlignBytes / size_of(dtype);
  return (elements + step - 1) / step * step;
}

// The mark is 1 in the gradients' own dtype, so that it travels in the same sum. Every format here is exact for small
// counts.
void put_one(std::byte* at, int32_t dtype, bool set) {
  const double one = set ? 1.0 : 0.0;
  switch (dtype) {
    case STRATA_F64:
      std::memcpy(at, &one, sizeof one);
      break;
    case STRATA_F32: {
      const auto f = static_cast<float>(one);
      std::memcpy(at, &f, sizeof f);
      break;
    }
    default: {
      const uint16_t bits = !set ? 0 : dtype == STRATA_BF16 ? 0x3F80 : 0x3C00;
      std::memcpy(at, &bits, sizeof bits);
    }
  }
}

bool is_set(const std::byte* at, int32_t dtype) {
  std::byte zero[8] = {};
  return std::memcmp(at, zero, static_cast<size_t>(size_of(dtype))) != 0;
}

}  // namespace

std::vector<Bucket> make_buckets(const ModelView& model,
                                 int64_t cap_bytes,
                                 int64_t first_cap_bytes) {
  std::vector<Bucket> buckets;
  const auto params = model.params();
  for (size_t i = params.size(); i-- > 0;) {
    const strata_param_desc& p = params[i];
    const int64_t cap = buckets.size() <= 1 ? first_cap_bytes : cap_bytes;
    const bool fits = !buckets.empty() && buckets.back().dtype == p.dtype &&
                      buckets.back().trainable == is_trainable(p) &&
                      (buckets.back().numel + p.numel) * size_of(p.dtype) <= cap;
    if (!fits) {
      buckets.push_back({p.dtype, is_trainable(p), 0, 0, 0, {}});
    }
    Bucket& b = buckets.back();
    b.slots.push_back({static_cast<int32_t>(i), b.numel, p.numel});
    b.numel += aligned(p.numel, p.dtype);
  }
  int64_t value_end = 0;
  int64_t grad_end = 0;
  for (Bucket& b : buckets) {
    b.value_offset = value_end;
    value_end += b.numel * size_of(b.dtype);
    b.grad_offset = grad_end;
    if (b.trainable) {
      grad_end += aligned(b.numel_with_marks(), b.dtype) * size_of(b.dtype);
    }
  }
  return buckets;
}

FlatStore::FlatStore(strata_runtime* runtime, const ModelView& model, std::vector<Bucket> buckets)
    : runtime_(runtime), buckets_(std::move(buckets)), bucket_of_(model.params().size()) {
  int64_t value_bytes = 0;
  int64_t grad_bytes = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& b = buckets_[i];
    value_bytes = b.value_offset + b.numel * size_of(b.dtype);
    grad_bytes = b.trainable
                     ? b.grad_offset + aligned(b.numel_with_marks(), b.dtype) * size_of(b.dtype)
                     : grad_bytes;
    for (const Slot& s : b.slots) {
      bucket_of_[static_cast<size_t>(s.param)] = i;
    }
  }
  values_ = Buffer(runtime, value_bytes, STRATA_BUFFER_ZEROED, "param");
  grads_ = Buffer(runtime, grad_bytes, STRATA_BUFFER_ZEROED, "grad");
  const Params params(runtime);
  for (const Bucket& b : buckets_) {
    for (const Slot& s : b.slots) {
      const int64_t offset = s.offset * size_of(b.dtype);
      params.bind_view(s.param, values_, b.value_offset + offset, b.dtype);
      if (b.trainable) {
        params.bind_grad_view(s.param, grads_, b.grad_offset + offset, b.dtype);
      }
    }
  }
  for (size_t unit = 0; unit < model.units().size(); ++unit) {
    params.init_unit(static_cast<int32_t>(unit));
  }
}

void FlatStore::optim_views(const OptimViewSink& out) const {
  for (const Bucket& b : buckets_) {
    if (!b.trainable) {
      continue;
    }
    std::vector<strata_segment> segments;
    segments.reserve(b.slots.size());
    for (const Slot& s : b.slots) {
      segments.push_back({s.offset, 0, s.numel, s.param, 0});
    }
    strata_optim_view view{};
    view.value = values_.c();
    view.value_offset = b.value_offset;
    view.value_dtype = b.dtype;
    view.grad = grads_.c();
    view.grad_offset = b.grad_offset;
    view.grad_dtype = b.dtype;
    view.numel = b.numel;
    view.segments = segments.data();
    view.n_segments = segments.size();
    out.put(view);
  }
}

void FlatStore::mark_touched(const Bucket& bucket) const {
  const Params params(runtime_);
  auto* mark = grads_.data() + bucket.grad_offset + bucket.numel * size_of(bucket.dtype);
  for (const Slot& s : bucket.slots) {
    put_one(mark, bucket.dtype, params.touched(s.param));
    mark += size_of(bucket.dtype);
  }
}

void FlatStore::read_touched(const Bucket& bucket) const {
  const Params params(runtime_);
  const auto* mark = grads_.data() + bucket.grad_offset + bucket.numel * size_of(bucket.dtype);
  for (const Slot& s : bucket.slots) {
    params.set_touched(s.param, is_set(mark, bucket.dtype));
    mark += size_of(bucket.dtype);
  }
}

void estimate_replicated(const strata_estimate_args& args, strata_estimate& out) {
  for (uint64_t i = 0; i < args.model->n_params; ++i) {
    const strata_param_desc& p = args.model->params[i];
    const int64_t bytes = p.numel * size_of(p.dtype);
    out.param_bytes += bytes;
    if (is_trainable(p)) {
      const int64_t state = p.dtype == STRATA_F64 ? 8 : 4;
      out.grad_bytes += bytes;
      out.optim_bytes += p.numel * state * args.optim_state_per_element;
    }
  }
}

}  // namespace strata::kit
