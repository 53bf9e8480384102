// Which rank writes what, and copying it.
#include "train/saved_tensors.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <ATen/ops/empty.h>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"

#include "train/own_tensors.hpp"
#include "unit/memory.hpp"

namespace strata::train {
namespace {

constexpr int64_t kFields =
    6;  // of one entry in what a rank tells: parameter, slot, dtype, offset, count, steps

// Views follow the order of memory (channels_last), files that of the shape.
void copy_rows(const at::Tensor& value, std::byte* to, Staging& memory) {
  const at::Tensor rows = value.detach().contiguous();
  memory.copy(to, rows.const_data_ptr(), static_cast<int64_t>(rows.nbytes()));
}

}  // namespace

SavedTensors::SavedTensors(Session& session, Engine& engine)
    : session_(session),
      engine_(engine),
      steps_(engine.model().params().size(), 0),
      load_(static_cast<size_t>(session.world().size()), 0) {
  owns_storage_ = caps_of(engine.strategy()).owns_storage != 0;
  learn_holdings();
}

// What this rank holds, as numbers that travel.
std::vector<int64_t> SavedTensors::describe_own() {
  const std::vector<std::string> states = engine_.updater()->states();
  std::vector<int64_t> numbers;
  const auto add = [&](const optim::StateSlice& s) {
    const int64_t slot =
        s.state.empty() ? 0 : std::ranges::find(states, s.state) - states.begin() + 1;
    own_[{s.id, slot}].push_back(s);
    numbers.insert(numbers.end(), {s.id, slot, s.dtype, s.param_offset, s.count, s.step});
  };
  engine_.updater()->for_each_value(add);
  engine_.updater()->for_each_state(add);
  return numbers;
}

void SavedTensors::learn_holdings() {
  const std::vector<int64_t> mine = describe_own();
  const std::string packed(reinterpret_cast<const char*>(mine.data()),
                           mine.size() * sizeof(int64_t));
  const std::vector<std::string> all = session_.world().all_gather_text(packed);
  for (size_t rank = 0; rank < all.size(); ++rank) {
    std::vector<int64_t> numbers(all[rank].size() / sizeof(int64_t));
    std::memcpy(numbers.data(), all[rank].data(), all[rank].size());
    for (size_t i = 0; i < numbers.size(); i += kFields) {
      const int64_t* const n = &numbers[i];
      held_[{n[0], n[1]}].push_back({static_cast<int64_t>(rank), n[3], n[4], n[2]});
      int64_t& steps = steps_.at(static_cast<size_t>(n[0]));
      steps = std::max(steps, n[5]);
    }
  }
}

// --- the plan -----------------------------------------------------------------------------------

int64_t SavedTensors::least_loaded() const {
  return std::ranges::min_element(load_) - load_.begin();
}

// All elements in order, each stretch from the one of its holders that writes least so far.
std::vector<SavedTensors::Piece> SavedTensors::cover(const Key& key, int64_t element) {
  const unit::Param& p = engine_.model().param(static_cast<int32_t>(key.first));
  std::vector<Piece> pieces;
  for (int64_t at = 0; at < p.tensor.numel();) {
    const Held* best = nullptr;
    for (const Held& h : held_.at(key)) {
      const bool has = h.offset <= at && at < h.offset + h.count;
      if (has && (best == nullptr ||
                  load_[static_cast<size_t>(h.rank)] < load_[static_cast<size_t>(best->rank)])) {
        best = &h;
      }
    }
    if (best == nullptr) {
      throw Error(STRATA_E_ARGUMENT,
                  text("no rank's optimizer views hold element ",
                       at,
                       " of ",
                       p.name,
                       " (",
                       p.tensor.numel(),
                       "), though they hold others; ",
                       engine_.strategy().type(),
                       " made them"));
    }
    const int64_t count = best->offset + best->count - at;
    pieces.push_back({best->rank, at, count});
    load_[static_cast<size_t>(best->rank)] += count * element;
    at += count;
  }
  return pieces;
}

SavedTensors::Item SavedTensors::plan_item(int32_t param, int64_t slot, std::string name) {
  const unit::Param& p = engine_.model().param(param);
  Item item{std::move(name), param, slot, unit::dtype_of(p.tensor.scalar_type()), {}, 0, {}};
  const auto found = held_.find({param, slot});
  if (found == held_.end()) {
    item.way = Way::kScope;
    item.writer = least_loaded();
    load_[static_cast<size_t>(item.writer)] += p.tensor.numel() * size_of(item.dtype);
    return item;
  }
  item.dtype = static_cast<int32_t>(found->second.front().dtype);
  item.pieces = cover({param, slot}, size_of(item.dtype));
  if (!p.tensor.is_contiguous() && !item.pieces.empty()) {
    item.way = item.pieces.size() == 1 ? Way::kPermuted : Way::kGathered;
    item.writer = item.pieces.front().rank;
  } else if (item.pieces.empty()) {
    item.pieces.push_back({0, 0, 0});  // a tensor without elements is stored as well
  }
  return item;
}

std::vector<SavedTensors::Item> SavedTensors::plan(bool optimizer) {
  const std::vector<unit::Param>& params = engine_.model().params();
  const std::vector<std::string> states = engine_.updater()->states();
  std::vector<Item> items;
  for (size_t i = 0; i < params.size(); ++i) {
    const auto param = static_cast<int32_t>(i);
    items.push_back(plan_item(param, 0, params[i].name));
    for (size_t k = 0; k < states.size(); ++k) {
      const auto slot = static_cast<int64_t>(k) + 1;
      const bool wanted = optimizer || engine_.updater()->is_optional(states[k]);
      if (wanted && held_.contains({param, slot})) {
        items.push_back(plan_item(param, slot, text(params[i].name, ".", states[k])));
      }
    }
  }
  return items;
}

int64_t SavedTensors::own_bytes(const std::vector<Item>& items) const {
  int64_t bytes = 0;
  for (const Item& item : items) {
    const int64_t element = size_of(item.dtype);
    if (item.way != Way::kOwn) {
      bytes += item.writer == session_.world().rank()
                   ? Staging::padded(tensor_of(item).numel() * element)
                   : 0;
      continue;
    }
    for (const Piece& piece : item.pieces) {
      bytes += piece.rank == session_.world().rank() ? Staging::padded(piece.count * element) : 0;
    }
  }
  return bytes;
}

// --- copying ------------------------------------------------------------------------------------

Captured SavedTensors::lay_out(bool optimizer, Staging& memory) {
  items_ = plan(optimizer);
  std::ranges::stable_partition(items_, [](const Item& item) { return item.slot == 0; });
  const OwnTensors extra(session_, engine_, optimizer);
  memory.begin(own_bytes(items_) + extra.bytes());
  Captured out;
  Captured extras;
  extra.copy(memory, extras);
  for (Item& item : items_) {
    lay_out(item, memory, out);
  }
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(out.model, extras.model);
  append(out.optimizer, extras.optimizer);
  return out;
}

void SavedTensors::lay_out(Item& item, Staging& memory, Captured& out) const {
  const int rank = session_.world().rank();
  const int64_t element = size_of(item.dtype);
  if (item.way != Way::kOwn) {
    if (item.writer == rank) {
      const int64_t count = tensor_of(item).numel();
      item.to = memory.take(count * element);
      add(item, 0, count, item.to, out);
    }
    return;
  }
  for (Piece& piece : item.pieces) {
    if (piece.rank == rank) {
      piece.to = memory.take(piece.count * element);
      add(item, piece.offset, piece.count, piece.to, out);
    }
  }
}

void SavedTensors::add(
    const Item& item, int64_t begin, int64_t count, const std::byte* data, Captured& out) const {
  const bool value = item.slot == 0;
  (value ? out.model : out.optimizer)
      .push_back({item.name,
                  item.dtype,
                  tensor_of(item).sizes().vec(),
                  value ? checkpoint::Kind::kParam : checkpoint::Kind::kState,
                  begin,
                  count,
                  data});
}

void SavedTensors::copy(Staging& memory) {
  for (const Item& item : items_) {
    copy(item, memory);
  }
  leave_scope();
}

void SavedTensors::copy(const Item& item, Staging& memory) {
  switch (item.way) {
    case Way::kOwn:
      return copy_own(item, memory);
    case Way::kPermuted:
      if (item.writer == session_.world().rank()) {
        const at::Tensor& param = tensor_of(item);
        const auto options = at::TensorOptions().dtype(unit::scalar_type(item.dtype));
        const at::Tensor flat = at::empty({param.numel()}, options);
        std::memcpy(flat.mutable_data_ptr(), own(item, 0), flat.nbytes());
        copy_rows(flat.as_strided(param.sizes(), param.strides()), item.to, memory);
      }
      return;
    case Way::kGathered:
      return copy_gathered(item, memory);
    case Way::kScope:
      return copy_scope(item, memory);
  }
}

void SavedTensors::copy_own(const Item& item, Staging& memory) const {
  for (const Piece& piece : item.pieces) {
    if (piece.to != nullptr && piece.count > 0) {
      memory.copy(piece.to, own(item, piece.offset), piece.count * size_of(item.dtype));
    }
  }
}

void SavedTensors::copy_gathered(const Item& item, Staging& memory) {
  const at::Tensor& param = tensor_of(item);
  comm::World& world = session_.world();
  const int64_t element = size_of(item.dtype);
  const auto options = at::TensorOptions().dtype(unit::scalar_type(item.dtype));
  const at::Tensor flat = at::empty({param.numel()}, options);
  auto* const data = static_cast<std::byte*>(flat.mutable_data_ptr());
  for (const Piece& piece : item.pieces) {
    std::byte* const at = data + piece.offset * element;
    if (piece.rank == world.rank()) {
      std::memcpy(at, own(item, piece.offset), static_cast<size_t>(piece.count * element));
    }
    world.broadcast(at, piece.count * element, static_cast<int>(piece.rank));
  }
  if (item.writer == world.rank()) {
    copy_rows(flat.as_strided(param.sizes(), param.strides()), item.to, memory);
  }
}

// A piece of the plan lies in one slice: it is what its rank told of.
const std::byte* SavedTensors::own(const Item& item, int64_t offset) const {
  for (const optim::StateSlice& s : own_.at({item.param, item.slot})) {
    if (s.param_offset <= offset && offset < s.param_offset + s.count) {
      return static_cast<const std::byte*>(s.data) + (offset - s.param_offset) * size_of(s.dtype);
    }
  }
  throw run_error("this rank no longer holds element ", offset, " of ", item.name);
}

void SavedTensors::copy_scope(const Item& item, Staging& memory) {
  const unit::Param& p = engine_.model().param(item.param);
  if (owns_storage_) {
    enter_scope(p.unit);
  }
  if (item.writer == session_.world().rank()) {
    copy_rows(p.tensor, item.to, memory);
  }
}

void SavedTensors::enter_scope(int32_t unit) {
  if (unit_ == unit) {
    return;
  }
  leave_scope();
  engine_.strategy().call(
      &strata_strategy_api::scope_enter, static_cast<const int32_t*>(&unit), uint64_t{1}, 0);
  unit_ = unit;
}

void SavedTensors::leave_scope() {
  if (unit_ >= 0) {
    const int32_t unit = std::exchange(unit_, -1);
    engine_.strategy().call(&strata_strategy_api::scope_exit, &unit, uint64_t{1}, 0);
  }
}

}  // namespace strata::train
