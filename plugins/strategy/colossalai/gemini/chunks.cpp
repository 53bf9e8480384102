// Bringing, keeping and letting go.
#include "chunks.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace strata::colossalai {
namespace {

// Failures inside a collective name the chunk it was for, by its first parameter.
template <class F>
void for_chunk(
    const ModelView& model, const Chunk& chunk, int32_t id, const char* what, const F& f) {
  try {
    f();
  } catch (Error& e) {
    const auto first = static_cast<size_t>(chunk.layout().slots.front().param);
    e.add_context(text("while ",
                       what,
                       " chunk ",
                       id,
                       ", which begins with parameter \"",
                       view(model.params()[first].name),
                       '"'));
    throw;
  }
}

}  // namespace

void Chunks::make(strata_runtime* runtime,
                  const ModelView& model,
                  const ChunkPlan& plan,
                  const GeminiConfig& config,
                  const kit::Mesh& mesh,
                  int32_t ranks_of_machine) {
  runtime_ = runtime;
  model_ = model;
  plan_ = &plan;
  config_ = &config;
  mesh_ = &mesh;
  budget_ = Budget(runtime, config, ranks_of_machine);
  users_.assign(plan.chunks.size(), 0);
  last_use_.assign(plan.chunks.size(), 0);
  ahead_.assign(plan.chunks.size(), 0);
  active_.assign(plan.units.size(), 0);
  chunks_.reserve(plan.chunks.size());
  const Places places = config.auto_placement ? begin_automatically() : place_statically();
  for (size_t i = 0; i < plan.chunks.size(); ++i) {
    const PlannedChunk& planned = plan.chunks[i];
    ChunkSpec spec;
    spec.mesh = &mesh;
    spec.value_dtype = planned.value_dtype;
    spec.master_dtype = planned.master_dtype;
    spec.has_master = config.master_weights;
    spec.keeps_values = config.gradient_accumulation;
    spec.home = places.home[i];
    spec.optim = places.optim[i];
    spec.moves = config.auto_placement;
    chunks_.emplace_back(runtime, kit::lay_out(model, planned.params, mesh.shards()), spec, pools_);
  }
}

void Chunks::fill() {
  for (Chunk& chunk : chunks_) {
    chunk.fill();
  }
}

// --- uses -------------------------------------------------------------------------------------------------------------

void Chunks::begin() {
  order_.begin();
  budget_.begin();
}

void Chunks::end(bool complete) {
  order_.end();
  if (config_->auto_placement && complete) {
    budget_.learn();
  }
}

void Chunks::use(int32_t unit, bool train) {
  const bool first = active_[static_cast<size_t>(unit)] == 0;
  if (train && first && config_->auto_placement) {
    budget_.close();
  }
  if (!needs(unit).empty()) {  // a unit without parameters is no reason to let others' go
    make_room(needs(unit));
    bring(unit);
  }
  if (first) {
    active_[static_cast<size_t>(unit)] = 1;
    for (const int32_t id : needs(unit)) {
      ++users_[static_cast<size_t>(id)];
    }
  }
  if (train && first) {
    order_.note(unit);
    look_ahead();
    if (config_->auto_placement) {
      budget_.open(pools_.now(Pool::kDevice) + pools_.now(Pool::kHost) + bytes_of("optim") +
                   bytes_of("spare"));
    }
  }
}

// A parameter whose gradient lies over its values is needed once more: the gradients go first.
void Chunks::regain(int32_t unit) {
  for (const int32_t id : needs(unit)) {
    if (at(id).reducing()) {
      finish(0);
    }
    if (at(id).holds_gradients() && !at(id).whole()) {
      reduce(id);
      finish(0);
    }
  }
  for (const Place& place : plan_->units[static_cast<size_t>(unit)].used) {
    if (at(place.chunk).taken(place.slot)) {
      reduce(place.chunk);
      finish(0);
    }
  }
}

void Chunks::bring(int32_t unit) {
  regain(unit);
  for (const int32_t id : needs(unit)) {
    Chunk& chunk = at(id);
    ahead_[static_cast<size_t>(id)] = 0;
    last_use_[static_cast<size_t>(id)] = ++clock_;
    if (!chunk.whole()) {
      ++counts_.gathers;
      for_chunk(model_, chunk, id, "gathering", [&] { chunk.gather_begin(); });
      asynchronous_ = asynchronous_ || chunk.gathering();
    }
  }
  for (const int32_t id : needs(unit)) {
    for_chunk(model_, at(id), id, "gathering", [&] { at(id).gather_end(); });
  }
}

void Chunks::leave(int32_t unit) {
  uint8_t& active = active_[static_cast<size_t>(unit)];
  if (active != 0) {
    active = 0;
    for (const int32_t id : needs(unit)) {
      --users_[static_cast<size_t>(id)];
    }
  }
}

void Chunks::look_ahead() {
  if (!asynchronous_ || config_->max_prefetch == 0) {
    return;
  }
  int64_t under_way = std::accumulate(ahead_.begin(), ahead_.end(), int64_t{0});
  for (const int32_t unit : order_.upcoming()) {
    for (const int32_t id : needs(unit)) {
      Chunk& chunk = at(id);
      if (chunk.whole() || chunk.holds_gradients() || chunk.reducing()) {
        continue;
      }
      const std::array<int32_t, 1> wanted = {id};
      const bool fits =
          !config_->auto_placement ||
          device_bytes_to_come(wanted) + pools_.now(Pool::kDevice) + device_states() <=
              budget_.for_model(true);
      if (under_way >= config_->max_prefetch || !fits) {
        return;
      }
      ++under_way;
      ++counts_.gathers;
      ahead_[static_cast<size_t>(id)] = 1;
      for_chunk(model_, chunk, id, "gathering", [&] { chunk.gather_begin(); });
    }
  }
}

// --- reductions -------------------------------------------------------------------------------------------------------

void Chunks::reduce(int32_t chunk) {
  const size_t ahead = config_->async_reduce ? 1 : 0;
  finish(ahead);
  ahead_[static_cast<size_t>(chunk)] = 0;
  for_chunk(
      model_, at(chunk), chunk, "reducing the gradients of", [&] { at(chunk).reduce_begin(); });
  reducing_.push_back(chunk);
  finish(at(chunk).busy() ? ahead : 0);
}

void Chunks::finish(size_t left) {
  while (reducing_.size() > left) {
    const int32_t id = reducing_.front();
    reducing_.pop_front();
    for_chunk(model_, at(id), id, "reducing the gradients of", [&] { at(id).reduce_end(); });
  }
}

void Chunks::abandon() noexcept {
  reducing_.clear();
  std::ranges::fill(users_, 0);
  std::ranges::fill(active_, uint8_t{0});
  std::ranges::fill(ahead_, uint8_t{0});
  for (Chunk& chunk : chunks_) {
    chunk.abandon();
  }
}

}  // namespace strata::colossalai
