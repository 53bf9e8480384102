// Memory of one chunk as values and gradients take turns in it.
#include "chunk.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "strata/kit/cast.hpp"

namespace strata::colossalai {

Chunk::Chunk(strata_runtime* runtime, kit::FlatLayout layout, const ChunkSpec& spec, Pools& pools)
    : runtime_(runtime),
      params_(runtime),
      pools_(&pools),
      layout_(std::move(layout)),
      spec_(spec),
      whole_(runtime, whole_bytes(), "unit", Pool::kDevice, pools, STRATA_BUFFER_TAKES_TURNS),
      grad_(runtime, shard_bytes(), shares() ? "shard" : "grad", spec.optim, pools),
      taken_(layout_.slots.size(), 0) {
  for (const kit::Slot& slot : layout_.slots) {
    params_.bind_view(
        slot.param, whole_.buffer(), slot.offset * size_of(spec_.value_dtype), spec_.value_dtype);
  }
  if (spec_.has_master && !shares()) {
    for (const Pool pool : {Pool::kDevice, Pool::kHost}) {
      values_[static_cast<size_t>(pool)] =
          PooledBuffer(runtime, shard_bytes(), "shard", pool, pools);
    }
  }
  if (spec_.mesh->needs_scratch()) {
    scratch_ = PooledBuffer(runtime, whole_bytes(), "comm", Pool::kDevice, pools);
  }
}

void Chunk::fill() {
  const int64_t size = size_of(spec_.master_dtype);
  master_ = PooledBuffer(runtime_, layout_.shard * size, "shard", spec_.optim, *pools_);
  master_.make_resident();
  for (const strata_segment& s : kit::segments_of_shard(layout_, spec_.mesh->shard())) {
    params_.init_slice(s.param,
                       s.param_offset,
                       s.count,
                       master_.data() + s.view_offset * size,
                       spec_.master_dtype);
  }
  restore_values();
}

std::byte* Chunk::own() const {
  return whole_.data() + spec_.mesh->shard() * shard_bytes();
}

void Chunk::copy(
    std::byte* to, Pool to_pool, const std::byte* from, Pool from_pool, int64_t bytes) {
  std::memcpy(to, from, static_cast<size_t>(bytes));
  if (to_pool != from_pool) {
    pools_->count_move(bytes);
  }
}

// --- values -----------------------------------------------------------------------------------------------------------

void Chunk::restore_values() {
  if (spec_.has_master) {
    values().make_resident();
    kit::cast(
        values().data(), spec_.value_dtype, master_.data(), spec_.master_dtype, layout_.shard);
    at_home_ = true;
  }
}

void Chunk::drop_values() {
  at_home_ = false;
  for (PooledBuffer& values : values_) {
    values.evict();
  }
}

void Chunk::drop_whole() {
  gathering_.wait();
  whole_.evict();
  has_values_ = false;
}

void Chunk::gather_begin() {
  if (has_values_) {
    return;
  }
  whole_.make_resident();
  has_values_ = true;
  if (at_home_) {
    copy(own(), Pool::kDevice, values().data(), spec_.home, shard_bytes());
  } else {
    kit::cast(own(), spec_.value_dtype, master_.data(), spec_.master_dtype, layout_.shard);
  }
  if (spec_.mesh->shards() > 1) {
    gathering_ = spec_.mesh->shard_group().all_gather(
        own(), whole_.data(), layout_.shard, spec_.value_dtype);
  }
}

void Chunk::gather_end() {
  gathering_.wait();
}

void Chunk::release() {
  if (!has_values_) {
    return;
  }
  gathering_.wait();
  const bool has_place = spec_.has_master && (!has_grad_ || spec_.keeps_values);
  if (has_place && !at_home_) {
    values().make_resident();
    copy(values().data(), spec_.home, own(), Pool::kDevice, shard_bytes());
    at_home_ = true;
  }
  drop_whole();
}

void Chunk::move_home(Pool home) {
  if (home == spec_.home) {
    return;
  }
  PooledBuffer& from = values();
  PooledBuffer& to = values_[static_cast<size_t>(home)];
  if (at_home_) {
    to.make_resident();
    copy(to.data(), home, from.data(), spec_.home, shard_bytes());
    from.evict();
  }
  spec_.home = home;
}

void Chunk::move_optim(Pool pool) {
  spec_.optim = pool;
  master_.count_in(pool);
  grad_.count_in(pool);
}

void Chunk::adopt() {
  kit::cast(master_.data(), spec_.master_dtype, own(), spec_.value_dtype, layout_.shard);
  drop_values();  // release() takes them from the whole buffer
}

void Chunk::refresh() {
  drop_whole();
  if (!has_grad_ || spec_.keeps_values) {
    restore_values();
  }
}

// --- gradients --------------------------------------------------------------------------------------------------------

void Chunk::take(size_t slot) {
  const kit::Slot& s = layout_.slots[slot];
  gathering_.wait();
  whole_.make_resident();  // values may have gone already
  std::byte* const at = whole_.data() + s.offset * size_of(spec_.value_dtype);
  if (params_.grad_take(s.param, at, spec_.value_dtype, taken_[slot] != 0) && taken_[slot] == 0) {
    taken_[slot] = 1;
    ++n_taken_;
  }
}

void Chunk::reduce_begin() {
  gathering_.wait();
  whole_.make_resident();
  const int64_t size = size_of(spec_.value_dtype);
  for (size_t i = 0; i < layout_.slots.size(); ++i) {
    const kit::Slot& s = layout_.slots[i];
    if (taken_[i] == 0 && s.numel > 0) {
      std::memset(whole_.data() + s.offset * size, 0, static_cast<size_t>(s.numel * size));
    }
  }
  std::ranges::fill(taken_, uint8_t{0});
  n_taken_ = 0;
  has_values_ = false;
  under_way_ = true;
  if (scratch_) {
    scratch_.make_resident();
  }
  reducing_ = spec_.mesh->reduce(
      whole_.data(), scratch_ ? scratch_.data() : nullptr, layout_.shard, spec_.value_dtype);
}

void Chunk::reduce_end() {
  reducing_.wait();
  under_way_ = false;
  if (scratch_) {
    scratch_.evict();
  }
  if (!spec_.keeps_values) {
    drop_values();
  }
  grad_.make_resident();
  if (has_grad_) {
    kit::add(grad_.data(), spec_.value_dtype, own(), spec_.value_dtype, layout_.shard);
  } else {
    copy(grad_.data(), spec_.optim, own(), Pool::kDevice, shard_bytes());
  }
  has_grad_ = true;
  drop_whole();
}

void Chunk::forget_gradients() {
  std::ranges::fill(taken_, uint8_t{0});
  n_taken_ = 0;
  under_way_ = false;
  has_grad_ = false;
  if (!shares()) {
    grad_.evict();
  }
}

// --- updates ----------------------------------------------------------------------------------------------------------

void Chunk::step_begin() {
  if (has_grad_) {
    return;
  }
  drop_whole();
  if (!spec_.keeps_values) {
    drop_values();
  }
  grad_.make_resident();
  std::memset(grad_.data(), 0, static_cast<size_t>(shard_bytes()));
}

// An update writes the values of what it changes over their gradients; what it left alone still has its gradient there.
void Chunk::step_end(bool updated) {
  forget_gradients();
  drop_whole();
  const bool written =
      updated && shares() &&
      std::ranges::all_of(layout_.slots, [&](const auto& s) { return params_.touched(s.param); });
  if (written) {
    at_home_ = true;
  } else {
    restore_values();
  }
}

void Chunk::abandon() noexcept {
  gathering_ = Work();
  reducing_ = Work();
  try {
    if (scratch_) {
      scratch_.evict();
    }
    forget_gradients();
    drop_whole();
    restore_values();
    // NOLINTNEXTLINE(bugprone-empty-catch): the failure that led here is already on its way
  } catch (const std::exception&) {
  }
}

void Chunk::put_view(const OptimViewSink& out) const {
  const auto segments = kit::segments_of_shard(layout_, spec_.mesh->shard());
  strata_optim_view view{};
  view.value = master_.buffer().c();
  view.value_dtype = spec_.master_dtype;
  view.grad = grad_.buffer().c();
  view.grad_dtype = spec_.value_dtype;
  view.numel = layout_.shard;
  view.segments = segments.data();
  view.n_segments = segments.size();
  view.group = spec_.mesh->shards() > 1 ? spec_.mesh->shard_group().c() : nullptr;
  if (shares()) {
    view.copy = grad_.buffer().c();
    view.copy_dtype = spec_.value_dtype;
  }
  out.put(view);
}

}  // namespace strata::colossalai
