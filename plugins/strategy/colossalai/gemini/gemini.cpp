// Gemini as events come.
#include "gemini.hpp"

#include <algorithm>

#include "strata/kit/touched.hpp"

namespace strata::colossalai {

strata_strategy_caps Gemini::describe() const {
  strata_strategy_caps caps = Strategy::describe();
  caps.owns_storage = 1;
  return caps;
}

void Gemini::setup_env(const strata_setup_args& args) {
  setup_ = args;
  const auto replicas = static_cast<int32_t>(config_.extra_dp_size);
  mesh_ = kit::Mesh(runtime(), args.rank, replicas, args.world_size / replicas);
}

void Gemini::plan_units(const ModelView& model, std::span<strata_unit_plan> plan) {
  model_ = model;
  plan_ = plan_chunks(model, config_, mesh_.shards());
  progress_.resize(plan.size());
  for (strata_unit_plan& unit : plan) {
    unit.events = STRATA_EVENT_ALL & ~uint32_t{STRATA_EVENT_GRAD_READY};
  }
  if (config_.precision != STRATA_F32) {
    check(service<strata_autograd_api>().cast_inputs(runtime(), 0, config_.precision, nullptr, 0));
  }
}

// A chunk belongs to many units: all are made with the first.
void Gemini::materialize(int32_t unit) {
  const Params params(runtime());
  if (unit == 0) {
    chunks_.make(runtime(), model_, plan_, config_, mesh_, setup_.local_world_size);
    chunks_.fill();
    for (const std::vector<int32_t>& alike : plan_.frozen) {
      const int32_t dtype =
          value_dtype(config_, model_.params()[static_cast<size_t>(alike.front())]);
      frozen_.emplace_back(runtime(),
                           kit::lay_out(model_, alike, mesh_.shards()),
                           kit::ShardSpec{&mesh_, dtype, dtype, dtype, dtype, false, true, false});
      frozen_.back().fill();
    }
    if (setup_.rank == 0) {
      report();
    }
  }
  params.init_buffers(unit);
}

void Gemini::report() const {
  int64_t elements = 0;
  for (const PlannedChunk& chunk : plan_.chunks) {
    for (const int32_t id : chunk.params) {
      elements += model_.params()[static_cast<size_t>(id)].numel;
    }
  }
  info("Gemini: ",
       elements,
       " trainable parameters in ",
       plan_.chunks.size(),
       " chunks of up to ",
       plan_.chunk_size,
       " elements, each cut over ",
       mesh_.shards(),
       " ranks");
  const bool offloads =
      config_.auto_placement || config_.offload_optim_frac > 0 || config_.offload_param_frac > 0;
  if (offloads && setup_.device.type == STRATA_CPU) {
    info(
        "Gemini: this machine computes on its CPU, so device and host pools are two accounts of "
        "one memory; what "
        "moves between them is copied");
  }
}

void Gemini::optim_views(const OptimViewSink& out) {
  for (const Chunk& chunk : chunks_.all()) {
    chunk.put_view(out);
  }
}

// --- forward and backward ---------------------------------------------------------------------------------------------

void Gemini::iter_begin(const strata_step_ctx& ctx) {
  if ((ctx.flags & STRATA_CTX_EVAL) != 0) {
    return;
  }
  chunks_.begin();
  std::ranges::fill(progress_, Progress{});
  used_.assign(plan_.chunks.size(), 0);
  waits_for_.clear();
  for (const PlannedChunk& chunk : plan_.chunks) {
    waits_for_.push_back(static_cast<int32_t>(chunk.units.size()));
  }
}

void Gemini::use(int32_t unit, const strata_step_ctx& ctx) {
  const bool train = (ctx.flags & STRATA_CTX_EVAL) == 0;
  if (train && !chunks_.active(unit)) {
    uses_.push_back(unit);
    for (const int32_t id : plan_.units[static_cast<size_t>(unit)].chunks) {
      used_[static_cast<size_t>(id)] = 1;
    }
  }
  chunks_.use(unit, train);
}

void Gemini::pre_forward(int32_t unit, const strata_step_ctx& ctx) {
  use(unit, ctx);
}

void Gemini::post_forward(int32_t unit, const strata_step_ctx& ctx) {
  if ((ctx.flags & STRATA_CTX_RECOMPUTE) == 0) {
    chunks_.leave(unit);
  }
}

void Gemini::pre_backward(int32_t unit, const strata_step_ctx& ctx) {
  use(unit, ctx);
}

void Gemini::post_backward(int32_t unit, const strata_step_ctx&) {
  chunks_.leave(unit);
  take_if_unused(unit);
  for (const int32_t lender : plan_.units[static_cast<size_t>(unit)].lenders) {
    take_if_unused(lender);
  }
}

// The unit's own backward may still go on: a gradient can be complete before its values have been read for the last time.
void Gemini::unit_grads_ready(int32_t unit, int32_t, const strata_step_ctx&) {
  progress_[static_cast<size_t>(unit)].waiting = true;
  take_if_unused(unit);
}

void Gemini::take_if_unused(int32_t unit) {
  const auto& borrowers = plan_.units[static_cast<size_t>(unit)].borrowers;
  const bool used = chunks_.active(unit) || std::ranges::any_of(borrowers, [&](int32_t other) {
                      return chunks_.active(other);
                    });
  if (!used && progress_[static_cast<size_t>(unit)].waiting) {
    take(unit);
  }
}

// A chunk is reduced when all its units have given their gradients. A unit that gives more after that has its chunk
// reduced once more, and the sums added.
void Gemini::take(int32_t unit) {
  Progress& progress = progress_[static_cast<size_t>(unit)];
  const bool first = !progress.taken;
  progress = {false, true};
  const PlannedUnit& planned = plan_.units[static_cast<size_t>(unit)];
  for (const Place& place : planned.own) {
    Chunk& chunk = chunks_.all()[static_cast<size_t>(place.chunk)];
    if (chunk.reducing()) {
      chunks_.finish(0);
    }
    chunk.take(place.slot);
  }
  for (const int32_t id : planned.chunks) {
    const auto& owners = plan_.chunks[static_cast<size_t>(id)].units;
    if (std::ranges::find(owners, unit) == owners.end()) {
      continue;  // all that it has of this chunk is borrowed
    }
    int32_t& waits = waits_for_[static_cast<size_t>(id)];
    waits -= first ? 1 : 0;
    if (waits == 0) {
      chunks_.reduce(id);
      used_[static_cast<size_t>(id)] = 0;
    }
  }
}

void Gemini::backward_done(const strata_step_ctx& ctx) {
  for (size_t unit = progress_.size(); unit-- > 0;) {
    chunks_.leave(static_cast<int32_t>(unit));
  }
  for (size_t unit = progress_.size(); unit-- > 0;) {
    if (progress_[unit].waiting) {
      take(static_cast<int32_t>(unit));
    }
  }
  // Chunks with units that backward did not reach; all ranks used the same units, so all reduce the same chunks.
  for (size_t id = used_.size(); id-- > 0;) {
    if (used_[id] != 0) {
      chunks_.reduce(static_cast<int32_t>(id));
    }
  }
  chunks_.finish(0);
  const bool last = (ctx.flags & STRATA_CTX_LAST_MICRO) != 0;
  if (last) {
    kit::agree_on_touched(runtime(), model_, uses_);
    uses_.clear();
  }
  chunks_.end(last);
}

void Gemini::iter_end(const strata_step_ctx& ctx) {
  if ((ctx.flags & STRATA_CTX_EVAL) != 0) {
    chunks_.trim();
  }
}

void Gemini::abort_iter(const strata_step_ctx&) noexcept {
  uses_.clear();
  chunks_.abandon();
}

// --- updates ----------------------------------------------------------------------------------------------------------

void Gemini::pre_step(const strata_step_ctx&) {
  chunks_.promote();
  for (Chunk& chunk : chunks_.all()) {
    chunk.step_begin();
  }
}

void Gemini::post_step(const strata_step_ctx& ctx) {
  for (Chunk& chunk : chunks_.all()) {
    chunk.step_end((ctx.flags & STRATA_CTX_SKIPPED) == 0);
  }
}

void Gemini::values_changed() {
  for (Chunk& chunk : chunks_.all()) {
    chunk.refresh();
  }
}

// --- scopes -----------------------------------------------------------------------------------------------------------

void Gemini::scope_enter(std::span<const int32_t> units, bool) {
  for (const int32_t unit : units) {
    chunks_.bring(unit);
  }
}

void Gemini::scope_exit(std::span<const int32_t> units, bool write) {
  std::vector<uint8_t> seen(plan_.chunks.size(), 0);
  for (const int32_t unit : units) {
    for (const int32_t id : plan_.units[static_cast<size_t>(unit)].chunks) {
      uint8_t& done = seen[static_cast<size_t>(id)];
      if (write && done == 0) {
        chunks_.all()[static_cast<size_t>(id)].adopt();
      }
      done = 1;
    }
  }
  chunks_.release_all();
}

void Gemini::stats(const strata_number_sink& out) {
  const auto put = [&](const char* name, int64_t value) {
    check(out.put(out.ctx, view(std::string_view(name)), static_cast<double>(value)));
  };
  const Pools& pools = chunks_.pools();
  put("chunk_gathers", chunks_.counts().gathers);
  put("chunk_evictions", chunks_.counts().evictions);
  put("device_bytes", pools.peak(Pool::kDevice));
  put("device_bytes_now", pools.now(Pool::kDevice));
  put("host_bytes", pools.peak(Pool::kHost));
  put("host_bytes_now", pools.now(Pool::kHost));
  put("moved_bytes", pools.moved());
}

}  // namespace strata::colossalai
