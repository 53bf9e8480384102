// Gathering, releasing and reducing units as events come.
#include "strata/kit/sharded_units.hpp"

#include <algorithm>
#include <utility>

#include "strata/kit/touched.hpp"

namespace strata::kit {
namespace {

// Failures inside a collective name the unit it was for, which need not be the one whose event started it.
template <class F>
void for_unit(const ModelView& model, int32_t unit, const char* what, const F& f) {
  try {
    f();
  } catch (Error& e) {
    const auto name = view(model.units()[static_cast<size_t>(unit)].name);
    e.add_context(text("while ", what, " unit \"", name.empty() ? "(root)" : name, "\""));
    throw;
  }
}

}  // namespace

// --- whole and absent -------------------------------------------------------------------------------------------------

int64_t ShardedUnits::transient_elements(int32_t unit) const {
  int64_t sum = 0;
  for (const FlatShard& piece : at(unit).pieces) {
    sum += piece.resident() ? 0 : piece.layout().numel();
  }
  return sum;
}

bool ShardedUnits::whole(int32_t unit) const {
  const auto& pieces = at(unit).pieces;
  return std::ranges::all_of(pieces, [](const FlatShard& p) { return p.present(); });
}

void ShardedUnits::gather_begin(int32_t unit) {
  for_unit(model_, unit, "gathering", [&] {
    for (FlatShard& piece : at(unit).pieces) {
      if (!piece.present()) {
        live_ += piece.layout().numel();
        piece.gather_begin();
        asynchronous_ = asynchronous_ || piece.gathering();
      }
    }
  });
}

void ShardedUnits::evict(int32_t unit) {
  for (FlatShard& piece : at(unit).pieces) {
    if (piece.present() && !piece.resident()) {
      live_ -= piece.layout().numel();
      piece.evict();
    }
  }
}

void ShardedUnits::use(int32_t unit, const Lookahead& ahead, const strata_step_ctx& ctx) {
  const bool first = !at(unit).active;
  at(unit).active = true;
  for (const int32_t id : at(unit).needs) {
    gather_begin(id);
  }
  for (const int32_t id : at(unit).needs) {
    for_unit(model_, id, "gathering", [&] {
      for (FlatShard& piece : at(id).pieces) {
        piece.gather_end();
      }
    });
  }
  if (first && (ctx.flags & STRATA_CTX_EVAL) == 0) {
    order_.note(unit);
    uses_.push_back(unit);
    look_ahead(ahead);
  }
}

void ShardedUnits::look_ahead(const Lookahead& ahead) {
  if (!asynchronous_) {
    return;
  }
  int64_t units = 0;
  int64_t elements = 0;
  for (const int32_t next : order_.upcoming()) {
    for (const int32_t id : at(next).needs) {
      if (whole(id)) {
        continue;
      }
      const int64_t more = transient_elements(id);
      if (units + 1 > ahead.units || elements + more > ahead.elements ||
          live_ + more > options_.max_live) {
        return;
      }
      ++units;
      elements += more;
      gather_begin(id);
    }
  }
}

// Whether keeping it costs less memory traffic than bringing it again: another use is near.
bool ShardedUnits::wanted_soon(int32_t unit) const {
  if (options_.max_reuse_distance == 0 || live_ > options_.max_live) {
    return false;
  }
  int64_t distance = 0;
  for (const int32_t next : order_.upcoming()) {
    const auto& needs = at(next).needs;
    if (std::ranges::find(needs, unit) != needs.end()) {
      return true;
    }
    for (const int32_t id : needs) {
      distance += transient_elements(id);
    }
    if (distance > options_.max_reuse_distance) {
      return false;
    }
  }
  return false;
}

void ShardedUnits::release(int32_t unit) {
  at(unit).active = false;
  for (const int32_t id : at(unit).needs) {
    const auto& users = at(id).users;
    const bool used = std::ranges::any_of(users, [&](int32_t user) { return at(user).active; });
    if (!used && !wanted_soon(id)) {
      evict(id);
    }
  }
}

void ShardedUnits::evict_unused() {
  for (size_t i = 0; i < units_.size(); ++i) {
    units_[i].active = false;
    evict(static_cast<int32_t>(i));
  }
}

// --- events -----------------------------------------------------------------------------------------------------------

void ShardedUnits::iter_begin() {
  order_.begin();
}

void ShardedUnits::pre_forward(int32_t unit, const strata_step_ctx& ctx) {
  use(unit, options_.forward, ctx);
}

void ShardedUnits::post_forward(int32_t unit, const strata_step_ctx& ctx) {
  if ((ctx.flags & STRATA_CTX_RECOMPUTE) != 0) {
    return;
  }
  const bool last_use = (ctx.flags & (STRATA_CTX_EVAL | STRATA_CTX_ERROR)) != 0;
  if (last_use || (options_.reshard_after_forward && !(options_.keep_root && unit == 0))) {
    release(unit);
  } else {
    at(unit).active = false;
  }
}

void ShardedUnits::pre_backward(int32_t unit, const strata_step_ctx& ctx) {
  use(unit, options_.prefetch_after_release ? Lookahead{} : options_.backward, ctx);
}

void ShardedUnits::post_backward(int32_t unit, const strata_step_ctx& ctx) {
  if (options_.reshard_after_forward || synchronises(ctx)) {
    release(unit);
  } else {
    at(unit).active = false;
  }
  if (options_.prefetch_after_release) {
    look_ahead(options_.backward);
  }
}

void ShardedUnits::grad_ready(int32_t param) {
  const Place& place = places_[static_cast<size_t>(param)];
  FlatShard& piece = at(place.unit).pieces[place.piece];
  if (piece.reducing()) {
    finish_reductions(0);  // a unit with several passes: its next gradients are another sum
  }
  piece.take(place.slot);
}

bool ShardedUnits::synchronises(const strata_step_ctx& ctx) const {
  return options_.reduce_every_micro || (ctx.flags & STRATA_CTX_LAST_MICRO) != 0;
}

void ShardedUnits::unit_grads_ready(int32_t unit, const strata_step_ctx& ctx) {
  if (synchronises(ctx)) {
    reduce(unit);
  }
}

void ShardedUnits::reduce(int32_t unit) {
  for (FlatShard& piece : at(unit).pieces) {
    if (!piece.pending()) {
      continue;
    }
    finish_reductions(options_.overlap ? 1 : 0);
    for_unit(model_, unit, "reducing the gradients of", [&] { piece.reduce_begin(); });
    reducing_.push_back(&piece);
  }
  const bool hides = options_.overlap && !reducing_.empty() && reducing_.back()->busy();
  finish_reductions(hides ? 1 : 0);
}

void ShardedUnits::finish_reductions(size_t left) {
  while (reducing_.size() > left) {
    FlatShard* const piece = reducing_.front();
    reducing_.pop_front();
    const int32_t unit = places_[static_cast<size_t>(piece->layout().slots.front().param)].unit;
    for_unit(model_, unit, "reducing the gradients of", [&] { piece->reduce_end(); });
  }
}

void ShardedUnits::backward_done(const strata_step_ctx& ctx) {
  if (synchronises(ctx)) {
    for (size_t i = units_.size(); i-- > 0;) {
      reduce(static_cast<int32_t>(i));  // what no event came for in this micro-batch
    }
    finish_reductions(0);
  }
  if ((ctx.flags & STRATA_CTX_LAST_MICRO) != 0) {
    agree_on_touched(runtime_, model_, uses_);
    uses_.clear();
  }
  if (options_.reshard_after_forward || synchronises(ctx)) {
    evict_unused();
  }
  order_.end();
}

void ShardedUnits::iter_end(const strata_step_ctx& ctx) {
  if ((ctx.flags & STRATA_CTX_EVAL) != 0) {
    evict_unused();
  }
}

void ShardedUnits::abort_iter() noexcept {
  reducing_.clear();
  uses_.clear();
  for (Unit& unit : units_) {
    unit.active = false;
    for (FlatShard& piece : unit.pieces) {
      piece.abandon();
    }
  }
  live_ = 0;
}

void ShardedUnits::publish(void (FlatShard::*how)()) {
  for (size_t i = 0; i < units_.size(); ++i) {
    for_unit(model_, static_cast<int32_t>(i), "sending the updated values of", [&] {
      for (FlatShard& piece : units_[i].pieces) {
        (piece.*how)();
      }
    });
  }
}

void ShardedUnits::post_step() {
  publish(&FlatShard::publish);
  for (Unit& unit : units_) {
    for (FlatShard& piece : unit.pieces) {
      piece.clear_gradients();
    }
  }
}

// Inside an accumulation window units may have stayed gathered.
void ShardedUnits::values_changed() {
  evict_unused();
  publish(&FlatShard::values_changed);
}

// --- scopes -----------------------------------------------------------------------------------------------------------

void ShardedUnits::scope_enter(std::span<const int32_t> units) {
  for (const int32_t unit : units) {
    const int32_t owner = owners_[static_cast<size_t>(unit)];
    gather_begin(owner);
    for (FlatShard& piece : at(owner).pieces) {
      piece.gather_end();
    }
  }
}

void ShardedUnits::scope_exit(std::span<const int32_t> units, bool writeback) {
  for (const int32_t unit : units) {
    const int32_t owner = owners_[static_cast<size_t>(unit)];
    if (writeback && whole(owner)) {
      for (FlatShard& piece : at(owner).pieces) {
        piece.adopt();
      }
    }
    evict(owner);
  }
}

}  // namespace strata::kit
