// Collecting what ranks hold, piece by piece.
#include "train/saved_tensors.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include <ATen/ops/empty.h>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"

#include "unit/memory.hpp"

namespace strata::train {
namespace {

constexpr int64_t kFields =
    6;  // of one entry in what a rank tells: parameter, slot, dtype, offset, count, steps

std::span<const std::byte> bytes_of(const at::Tensor& dense) {
  return {static_cast<const std::byte*>(dense.const_data_ptr()),
          static_cast<size_t>(dense.numel()) * dense.element_size()};
}

// By rank 0 for a tensor in its own memory.
void put_tensor(const at::Tensor& tensor, const checkpoint::Put& put) {
  put(bytes_of(tensor.detach().contiguous()));
}

}  // namespace

SavedTensors::SavedTensors(Session& session, Engine& engine)
    : session_(session), engine_(engine), steps_(engine.model().params().size(), 0) {
  owns_storage_ = caps_of(engine.strategy()).owns_storage != 0;
  learn_holdings();
}

// What this rank holds, as numbers that travel.
std::vector<int64_t> SavedTensors::describe_own() {
  const std::vector<std::string> states = engine_.updater()->states();
  std::vector<int64_t> numbers;
  const auto add = [&](const optim::StateSlice& s) {
    const int64_t slot =
        s.state.empty() ? 0 : std::find(states.begin(), states.end(), s.state) - states.begin() + 1;
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

SavedTensors::Item SavedTensors::plan(int32_t param, int64_t slot) const {
  const unit::Param& p = engine_.model().param(param);
  Item item{param, slot, unit::dtype_of(p.tensor.scalar_type()), {}, slot == 0 && owns_storage_};
  const auto found = held_.find({param, slot});
  if (found == held_.end()) {
    return item;
  }
  item.dtype = static_cast<int32_t>(found->second.front().dtype);
  item.shared = false;
  for (int64_t at = 0; at < p.tensor.numel();) {
    const Held* first = nullptr;  // of the ranks that hold element `at`; they come in order
    for (const Held& h : found->second) {
      if (h.offset <= at && at < h.offset + h.count) {
        first = &h;
        break;
      }
    }
    if (first == nullptr) {
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
    item.pieces.push_back({first->rank, at, first->offset + first->count - at});
    item.shared = item.shared || first->rank != 0;
    at = first->offset + first->count;
  }
  return item;
}

checkpoint::TensorSource SavedTensors::source(std::string name, Item item) {
  left_ += item.shared ? 1 : 0;
  const auto shape = engine_.model().param(item.param).tensor.sizes().vec();
  const int32_t dtype = item.dtype;
  return {std::move(name), dtype, shape, nullptr, [this, item = std::move(item)](const Put& put) {
            give(item, put);
          }};
}

std::vector<checkpoint::TensorSource> SavedTensors::model() {
  std::vector<checkpoint::TensorSource> out;
  const std::vector<unit::Param>& params = engine_.model().params();
  for (size_t i = 0; i < params.size(); ++i) {
    out.push_back(source(params[i].name, plan(static_cast<int32_t>(i), 0)));
  }
  for (const unit::NamedBuffer& b : engine_.model().buffers()) {
    if (b.persistent) {  // each rank has its own; rank 0's are saved
      out.push_back({b.name,
                     unit::dtype_of(b.tensor.scalar_type()),
                     b.tensor.sizes().vec(),
                     nullptr,
                     [tensor = b.tensor](const Put& put) { put_tensor(tensor, put); }});
    }
  }
  return out;
}

std::vector<checkpoint::TensorSource> SavedTensors::optimizer() {
  const std::vector<std::string> states = engine_.updater()->states();
  const std::vector<unit::Param>& params = engine_.model().params();
  std::vector<checkpoint::TensorSource> out;
  for (size_t i = 0; i < params.size(); ++i) {
    const auto param = static_cast<int32_t>(i);
    for (size_t k = 0; k < states.size() && held_.count({param, 0}) != 0; ++k) {
      out.push_back(
          source(text(params[i].name, ".", states[k]), plan(param, static_cast<int64_t>(k) + 1)));
    }
  }
  return out;
}

void SavedTensors::follow(const std::vector<checkpoint::TensorSource>& sources) {
  for (const checkpoint::TensorSource& s : sources) {
    s.fill([](std::span<const std::byte>) {});
  }
}

// A failing write does not leave the others behind: rank 0 takes the rest of this tensor and drops it.
void SavedTensors::give(const Item& item, const Put& put) {
  const bool writes = session_.world().is_main();
  if (item.shared ? !go_on() : !writes) {
    return;
  }
  std::exception_ptr failure;
  const Put careful = [&](std::span<const std::byte> piece) {
    try {
      if (writes && failure == nullptr) {
        put(piece);
      }
    } catch (...) {
      failure = std::current_exception();
    }
  };
  try {
    transfer(item, careful);
  } catch (...) {
    in_step_ = false;
    throw;
  }
  if (failure != nullptr) {
    std::rethrow_exception(failure);
  }
}

// Whether rank 0 goes on to the next shared tensor.
bool SavedTensors::go_on() {
  if (stopped_) {
    return false;
  }
  uint8_t go = 1;
  session_.world().broadcast(&go, sizeof go, 0);
  --left_;
  stopped_ = go == 0;
  return !stopped_;
}

void SavedTensors::finish() {
  if (left_ > 0 && !stopped_) {  // rank 0 failed while the others wait for the next tensor
    uint8_t go = 0;
    session_.world().broadcast(&go, sizeof go, 0);
    stopped_ = true;
  }
  leave_scope();
}

void SavedTensors::transfer(const Item& item, const Put& put) {
  const at::Tensor& param = engine_.model().param(item.param).tensor;
  if (item.pieces.empty()) {
    return put_outside(item, put);
  }
  if (param.is_contiguous() || !session_.world().is_main()) {
    return send_pieces(item, put);
  }
  // Views follow the order of memory (channels_last), files that of the shape.
  const at::Tensor flat =
      at::empty({param.numel()}, at::TensorOptions().dtype(unit::scalar_type(item.dtype)));
  auto* at = static_cast<std::byte*>(flat.mutable_data_ptr());
  send_pieces(item, [&at](std::span<const std::byte> piece) {
    std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  });
  put_tensor(flat.as_strided(param.sizes(), param.strides()), put);
}

void SavedTensors::send_pieces(const Item& item, const Put& put) {
  const int64_t element = size_of(item.dtype);
  comm::World& world = session_.world();
  std::vector<std::byte> received;
  for (const Piece& piece : item.pieces) {
    const int64_t step = kPieceBytes / element;
    for (int64_t done = 0; done < piece.count; done += step) {
      const auto bytes = static_cast<size_t>(std::min(step, piece.count - done) * element);
      const std::byte* data = piece.rank == world.rank() ? own(item, piece.offset + done) : nullptr;
      if (piece.rank != 0) {
        received.resize(bytes);
        if (data != nullptr) {
          std::memcpy(received.data(), data, bytes);
        }
        world.broadcast(received.data(), static_cast<int64_t>(bytes), static_cast<int>(piece.rank));
        data = received.data();
      }
      if (data != nullptr) {
        put({data, bytes});
      }
    }
  }
}

const std::byte* SavedTensors::own(const Item& item, int64_t offset) const {
  for (const optim::StateSlice& s : own_.at({item.param, item.slot})) {
    if (s.param_offset <= offset && offset < s.param_offset + s.count) {
      return static_cast<const std::byte*>(s.data) + (offset - s.param_offset) * size_of(s.dtype);
    }
  }
  throw run_error("this rank no longer holds element ", offset, " of parameter ", item.param);
}

void SavedTensors::put_outside(const Item& item, const Put& put) {
  const unit::Param& p = engine_.model().param(item.param);
  if (item.shared) {
    enter_scope(p.unit);
  }
  if (session_.world().is_main()) {
    put_tensor(p.tensor, put);
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
