// Values and gradients of one flat piece.
#include "strata/kit/flat_shard.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "strata/kit/cast.hpp"

namespace strata::kit {

ShardSpec effective(ShardSpec spec) {
  if (spec.mesh->shards() == 1 && spec.value_dtype == spec.master_dtype) {
    spec.resident = true;
  }
  if (spec.mesh->alone() && spec.reduce_dtype == spec.grad_dtype) {
    spec.full_grads = true;
  }
  return spec;
}

FlatShard::FlatShard(strata_runtime* runtime, FlatLayout layout, const ShardSpec& spec)
    : runtime_(runtime),
      params_(runtime),
      layout_(std::move(layout)),
      spec_(effective(spec)),
      taken_(layout_.slots.size(), 0) {
  full_ = Buffer(runtime,
                 layout_.numel() * size_of(spec_.value_dtype),
                 STRATA_BUFFER_EVICTED,
                 spec_.resident ? "param" : "unit");
  for (const Slot& slot : layout_.slots) {
    params_.bind_view(
        slot.param, full_, slot.offset * size_of(spec_.value_dtype), spec_.value_dtype);
  }
  if (spec_.trainable) {
    make_gradient_buffers();
  }
}

void FlatShard::make_gradient_buffers() {
  const int64_t whole = layout_.numel() * size_of(spec_.reduce_dtype);
  if (spec_.full_grads) {
    full_grad_ = Buffer(runtime_, whole, 0, "grad");
  } else {
    full_grad_ = Buffer(runtime_, whole, STRATA_BUFFER_EVICTED, "unit_grad");
    grad_ = Buffer(runtime_, shard_bytes(spec_.grad_dtype), 0, "grad");
  }
  if (spec_.host_update) {
    staged_ = Buffer(runtime_, shard_bytes(spec_.master_dtype), STRATA_BUFFER_EVICTED, "comm");
  }
  if (spec_.mesh->needs_scratch()) {
    scratch_ = Buffer(runtime_, whole, STRATA_BUFFER_EVICTED, "comm");
  }
}

// --- values -----------------------------------------------------------------------------------------------------------

std::byte* FlatShard::own_values() const {
  return full_.data() + spec_.mesh->shard() * shard_bytes(spec_.value_dtype);
}

void FlatShard::fill() {
  if (spec_.resident) {
    full_.make_resident();
  }
  if (aliased()) {
    for (const Slot& slot : layout_.slots) {
      params_.init_param(
          slot.param, full_.data() + slot.offset * size_of(spec_.value_dtype), spec_.value_dtype);
    }
    return;
  }
  master_ = Buffer(runtime_, shard_bytes(spec_.master_dtype), 0, "shard");
  const auto own = segments_of_shard(layout_, spec_.mesh->shard());
  if (spec_.resident) {
    fill_both(own);
    return;
  }
  for (const strata_segment& s : own) {
    params_.init_slice(s.param, s.param_offset, s.count, master_at(s), spec_.master_dtype);
  }
}

// Whole values, and the own stretches of them in the masters' type: parameter by parameter, each made once.
void FlatShard::fill_both(std::span<const strata_segment> own) {
  const int32_t dtype = spec_.master_dtype;
  for (const Slot& slot : layout_.slots) {
    const Buffer stage(runtime_, slot.numel * size_of(dtype), 0, "unit");
    params_.init_param(slot.param, stage.data(), dtype);
    cast(full_.data() + slot.offset * size_of(spec_.value_dtype),
         spec_.value_dtype,
         stage.data(),
         dtype,
         slot.numel);
    if (!own.empty() && own.front().param == slot.param) {
      const strata_segment& s = own.front();
      cast(master_at(s), dtype, stage.data() + s.param_offset * size_of(dtype), dtype, s.count);
      own = own.subspan(1);
    }
  }
}

std::byte* FlatShard::master_at(const strata_segment& own) const {
  return master_.data() + own.view_offset * size_of(spec_.master_dtype);
}

void FlatShard::gather_begin() {
  if (full_.resident()) {
    return;
  }
  full_.make_resident();
  const bool same = spec_.value_dtype == spec_.master_dtype;
  const bool cut = spec_.mesh->shards() > 1;
  if (!same || !cut) {
    cast(own_values(), spec_.value_dtype, master_.data(), spec_.master_dtype, layout_.shard);
  }
  if (cut) {
    gathering_ = spec_.mesh->shard_group().all_gather(
        same ? master_.data() : own_values(), full_.data(), layout_.shard, spec_.value_dtype);
  }
}

void FlatShard::gather_end() {
  gathering_.wait();
}

void FlatShard::evict() {
  if (!spec_.resident) {
    gathering_.wait();
    full_.evict();
  }
}

void FlatShard::publish_begin() {
  publish_end();
  if (!spec_.resident || !spec_.trainable) {
    return;
  }
  if (spec_.mesh->shards() > 1) {
    publishing_ = spec_.mesh->shard_group().all_gather(
        own_values(), full_.data(), layout_.shard, spec_.value_dtype);
  }
}

void FlatShard::publish_end() {
  publishing_.wait();
}

void FlatShard::values_changed() {
  publish_end();
  if (spec_.resident && spec_.trainable && !aliased()) {
    cast(own_values(), spec_.value_dtype, master_.data(), spec_.master_dtype, layout_.shard);
  }
  publish();
}

void FlatShard::adopt() {
  if (!aliased()) {
    cast(master_.data(), spec_.master_dtype, own_values(), spec_.value_dtype, layout_.shard);
  }
}

// --- gradients --------------------------------------------------------------------------------------------------------

bool FlatShard::take(size_t slot) {
  full_grad_.make_resident();
  const Slot& s = layout_.slots[slot];
  std::byte* const at = full_grad_.data() + s.offset * size_of(spec_.reduce_dtype);
  const bool had = params_.grad_take(s.param, at, spec_.reduce_dtype, taken_[slot] != 0);
  if (had) {
    taken_[slot] = 1;
    pending_ = true;
  }
  return had;
}

void FlatShard::reduce_begin() {
  full_grad_.make_resident();
  pending_ = false;
  under_way_ = true;
  const int64_t size = size_of(spec_.reduce_dtype);
  for (size_t i = 0; i < layout_.slots.size(); ++i) {
    if (taken_[i] == 0 && layout_.slots[i].numel > 0) {
      std::memset(full_grad_.data() + layout_.slots[i].offset * size,
                  0,
                  static_cast<size_t>(layout_.slots[i].numel * size));
    }
  }
  if (scratch_) {
    scratch_.make_resident();
  }
  reducing_ = spec_.mesh->reduce(
      full_grad_.data(), scratch_ ? scratch_.data() : nullptr, layout_.shard, spec_.reduce_dtype);
}

void FlatShard::reduce_end() {
  reducing_.wait();
  under_way_ = false;
  if (scratch_) {
    scratch_.evict();
  }
  if (spec_.full_grads) {
    return;
  }
  const std::byte* const sum =
      full_grad_.data() + spec_.mesh->shard() * shard_bytes(spec_.reduce_dtype);
  if (has_grad_) {
    add(grad_.data(), spec_.grad_dtype, sum, spec_.reduce_dtype, layout_.shard);
  } else {
    cast(grad_.data(), spec_.grad_dtype, sum, spec_.reduce_dtype, layout_.shard);
  }
  has_grad_ = true;
  std::ranges::fill(taken_, uint8_t{0});
  full_grad_.evict();
}

std::byte* FlatShard::own_gradients() const {
  return spec_.full_grads ? full_grad_.data() + spec_.mesh->shard() * shard_bytes(spec_.grad_dtype)
                          : grad_.data();
}

void FlatShard::stage_gradients() {
  if (!staged_) {
    return;
  }
  staged_.make_resident();
  cast(staged_.data(), spec_.master_dtype, own_gradients(), spec_.grad_dtype, layout_.shard);
}

void FlatShard::clear_gradients() {
  has_grad_ = false;
  pending_ = false;
  under_way_ = false;
  std::ranges::fill(taken_, uint8_t{0});
  if (full_grad_ && !spec_.full_grads) {
    full_grad_.evict();
  }
  if (staged_) {
    staged_.evict();
  }
}

void FlatShard::abandon() noexcept {
  gathering_ = Work();
  reducing_ = Work();
  publishing_ = Work();
  try {
    if (scratch_) {
      scratch_.evict();
    }
    clear_gradients();
    evict();
    // NOLINTNEXTLINE(bugprone-empty-catch): the failure that led here is already on its way
  } catch (const std::exception&) {
  }
}

void FlatShard::put_view(const OptimViewSink& out) const {
  if (!spec_.trainable) {
    return;
  }
  const auto segments = segments_of_shard(layout_, spec_.mesh->shard());
  const int64_t shard = spec_.mesh->shard();
  strata_optim_view view{};
  view.value = aliased() ? full_.c() : master_.c();
  view.value_offset = aliased() ? shard * shard_bytes(spec_.master_dtype) : 0;
  view.value_dtype = spec_.master_dtype;
  const bool whole = spec_.full_grads && !staged_;
  view.grad = staged_ ? staged_.c() : whole ? full_grad_.c() : grad_.c();
  view.grad_offset = whole ? shard * shard_bytes(spec_.grad_dtype) : 0;
  view.grad_dtype = staged_ ? spec_.master_dtype : spec_.grad_dtype;
  view.numel = layout_.shard;
  view.segments = segments.data();
  view.n_segments = segments.size();
  view.group = spec_.mesh->shards() > 1 ? spec_.mesh->shard_group().c() : nullptr;
  if (spec_.resident && !aliased()) {
    view.copy = full_.c();
    view.copy_offset = shard * shard_bytes(spec_.value_dtype);
    view.copy_dtype = spec_.value_dtype;
  }
  out.put(view);
}

}  // namespace strata::kit
