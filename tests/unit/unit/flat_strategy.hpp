// The border's hardest customer: one flat buffer per unit, gathered before use, evicted after, gradients reduced to
// the own shard. The smallest strategy that needs every event; kept for tests.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "strata/cpp/strategy.hpp"

namespace strata::testing {

struct STRATA_HIDDEN FlatConfig {
  std::string
      outside;  // parameters whose name ends so are in no optimizer view and stay as they are
  std::string layout;  // "transposed": matrices lie column by column
};

class STRATA_HIDDEN FlatStrategy final : public Strategy {
 public:
  FlatStrategy() = default;

  explicit FlatStrategy(FlatConfig config) : config_(std::move(config)) {}

  [[nodiscard]] strata_strategy_caps describe() const override {
    strata_strategy_caps caps = Strategy::describe();
    caps.owns_storage = 1;
    return caps;
  }

  // One shard of everything; the two largest units at their fullest, values and gradients.
  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    int64_t largest[2] = {};
    for (uint64_t u = 0; u < args.model->n_units; ++u) {
      const strata_unit_desc& unit = args.model->units[u];
      int64_t numel = 0;
      for (uint64_t i = 0; i < unit.n_params; ++i) {
        numel += args.model->params[unit.params[i]].numel;
      }
      const int64_t shard = (numel + args.world_size - 1) / args.world_size * kBytes;
      out.param_bytes += shard;
      out.grad_bytes += shard;
      out.optim_bytes += shard * args.optim_state_per_element;
      out.sent_bytes_per_step += int64_t{3} * (args.world_size - 1) * shard * args.accumulation;
      if (shard > largest[1]) {
        largest[1] = std::min(shard, largest[0]);
        largest[0] = std::max(shard, largest[0]);
      }
    }
    out.unit_bytes = 2 * (largest[0] + largest[1]) * args.world_size;
  }

  [[nodiscard]] std::vector<EstimateVariant> estimate_variants() const override {
    return {{"rows", ""}, {"columns", "layout = \"transposed\""}};
  }

  void setup_env(const strata_setup_args& args) override { world_size_ = args.world_size; }

  void plan_units(const ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    for (strata_unit_plan& p : plan) {
      p.events = STRATA_EVENT_ALL & ~uint32_t{STRATA_EVENT_GRAD_READY};
    }
    units_.resize(plan.size());
    for (size_t u = 0; u < plan.size(); ++u) {
      units_[u].users.push_back(static_cast<int32_t>(u));
    }
    for (size_t u = 0; u < plan.size(); ++u) {
      const strata_unit_desc& unit = model.units()[u];
      for (uint64_t i = 0; i < unit.n_borrowed; ++i) {
        const auto owner =
            static_cast<size_t>(model.params()[static_cast<size_t>(unit.borrowed[i])].unit);
        units_[owner].users.push_back(static_cast<int32_t>(u));
        units_[u].needs.push_back(static_cast<int32_t>(owner));
      }
      units_[u].needs.push_back(static_cast<int32_t>(u));
    }
  }

  void materialize(int32_t unit) override {
    FlatUnit& u = units_[static_cast<size_t>(unit)];
    lay_out(unit, u);
    const int64_t full = u.shard * world_size_ * kBytes;
    u.full = Buffer(runtime(), full, STRATA_BUFFER_EVICTED, "unit");
    u.full_grad = Buffer(runtime(), full, STRATA_BUFFER_EVICTED, "unit_grad");
    u.value = Buffer(runtime(), u.shard * kBytes, 0, "shard");
    u.grad = Buffer(runtime(), u.shard * kBytes, STRATA_BUFFER_ZEROED, "grad");
    const Params params(runtime());
    for (const strata_segment& s : u.layout) {
      const strata_param_desc& p = model_.params()[static_cast<size_t>(s.param)];
      const int64_t columns[] = {1, p.shape[0]};
      const int64_t* strides = config_.layout == "transposed" && p.ndim == 2 ? columns : nullptr;
      check(service<strata_param_api>().bind_view(runtime(),
                                                  s.param,
                                                  u.full.c(),
                                                  s.view_offset * kBytes,
                                                  STRATA_F32,
                                                  strides,
                                                  STRATA_BIND_DISCARD));
      if (trainable(s.param)) {
        params.bind_grad_view(s.param, u.full_grad, s.view_offset * kBytes, STRATA_F32);
      }
    }
    for (const strata_segment& own : segments_of_shard(u)) {
      params.init_slice(own.param,
                        own.param_offset,
                        own.count,
                        u.value.data<float>() + own.view_offset,
                        STRATA_F32);
    }
    params.init_buffers(unit);
  }

  void optim_views(const OptimViewSink& out) override {
    for (const FlatUnit& u : units_) {
      auto mine = segments_of_shard(u);
      std::erase_if(mine, [&](const strata_segment& s) { return !trainable(s.param); });
      strata_optim_view view{};
      view.value = u.value.c();
      view.grad = u.grad.c();
      view.numel = u.shard;
      view.value_dtype = STRATA_F32;
      view.grad_dtype = STRATA_F32;
      view.segments = mine.data();
      view.n_segments = mine.size();
      view.group = world_size_ > 1 ? Group::world(runtime()).c() : nullptr;
      out.put(view);
    }
  }

  void pre_forward(int32_t unit, const strata_step_ctx&) override { activate(unit); }

  void post_forward(int32_t unit, const strata_step_ctx& ctx) override {
    if ((ctx.flags & STRATA_CTX_RECOMPUTE) == 0) {
      deactivate(unit);
    }
  }

  void pre_backward(int32_t unit, const strata_step_ctx&) override {
    activate(unit);
    units_[static_cast<size_t>(unit)].full_grad.make_resident();
  }

  void post_backward(int32_t unit, const strata_step_ctx&) override { deactivate(unit); }

  void unit_grads_ready(int32_t unit, int32_t, const strata_step_ctx&) override {
    FlatUnit& u = units_[static_cast<size_t>(unit)];
    auto* full = u.full_grad.data<float>();
    if (world_size_ > 1) {
      const Group world = Group::world(runtime());
      world.reduce_scatter(full, full + world.rank() * u.shard, u.shard, STRATA_F32).wait();
      full += world.rank() * u.shard;
    }
    auto* sum = u.grad.data<float>();
    for (int64_t i = 0; i < u.shard; ++i) {
      sum[i] += full[i];
    }
    u.full_grad.evict();
  }

  void post_step(const strata_step_ctx&) override { clear_gradients(); }

  // NOLINTNEXTLINE(bugprone-exception-escape): letting memory go does not fail here; if it did, the test would end
  void abort_iter(const strata_step_ctx&) noexcept override {
    for (FlatUnit& u : units_) {
      u.active = 0;
      u.full.evict();
      u.full_grad.evict();
    }
    clear_gradients();
  }

  void scope_enter(std::span<const int32_t> units, bool) override {
    for (const int32_t unit : units) {
      gather(units_[static_cast<size_t>(unit)]);
    }
  }

  void scope_exit(std::span<const int32_t> units, bool) override {
    for (const int32_t unit : units) {
      units_[static_cast<size_t>(unit)].full.evict();
    }
  }

  /// Whether any unit is on this rank in full.
  [[nodiscard]] bool anything_resident() const {
    return std::ranges::any_of(units_, [](const FlatUnit& u) { return u.full.resident(); });
  }

 private:
  static constexpr int64_t kBytes = 4;

  struct STRATA_HIDDEN FlatUnit {
    std::vector<strata_segment> layout;  // of the full buffer
    std::vector<int32_t> users;          // itself and those that borrow from it
    std::vector<int32_t> needs;          // itself and those it borrows from
    int64_t shard = 0;                   // elements
    int active = 0;
    Buffer full, full_grad, value, grad;
  };

  [[nodiscard]] bool trainable(int32_t param) const {
    const strata_param_desc& p = model_.params()[static_cast<size_t>(param)];
    const bool outside = !config_.outside.empty() && view(p.name).ends_with(config_.outside);
    return (p.flags & STRATA_PARAM_TRAINABLE) != 0 && !outside;
  }

  void lay_out(int32_t unit, FlatUnit& u) const {
    int64_t at = 0;
    const strata_unit_desc& desc = model_.units()[static_cast<size_t>(unit)];
    for (uint64_t i = 0; i < desc.n_params; ++i) {
      const int64_t numel = model_.params()[static_cast<size_t>(desc.params[i])].numel;
      u.layout.push_back({at, 0, numel, desc.params[i], 0});
      at += numel;
    }
    u.shard = (at + world_size_ - 1) / world_size_;
  }

  [[nodiscard]] int64_t rank() const {
    return world_size_ == 1 ? 0 : Group::world(runtime()).rank();
  }

  [[nodiscard]] std::vector<strata_segment> segments_of_shard(const FlatUnit& u) const {
    std::vector<strata_segment> out;
    const int64_t begin = rank() * u.shard;
    for (const strata_segment& s : u.layout) {
      const int64_t from = std::max(s.view_offset, begin);
      const int64_t to = std::min(s.view_offset + s.count, begin + u.shard);
      if (from < to) {
        out.push_back({from - begin, from - s.view_offset, to - from, s.param, 0});
      }
    }
    return out;
  }

  void activate(int32_t unit) {
    units_[static_cast<size_t>(unit)].active +=
        units_[static_cast<size_t>(unit)].active == 0 ? 1 : 0;
    for (const int32_t id : units_[static_cast<size_t>(unit)].needs) {
      gather(units_[static_cast<size_t>(id)]);
    }
  }

  void deactivate(int32_t unit) {
    units_[static_cast<size_t>(unit)].active = 0;
    for (const int32_t id : units_[static_cast<size_t>(unit)].needs) {
      FlatUnit& u = units_[static_cast<size_t>(id)];
      const bool used = std::ranges::any_of(
          u.users, [&](int32_t user) { return units_[static_cast<size_t>(user)].active != 0; });
      if (!used) {
        u.full.evict();
      }
    }
  }

  void gather(FlatUnit& u) {
    if (u.full.resident()) {
      return;
    }
    u.full.make_resident();
    if (world_size_ == 1) {
      std::copy_n(u.value.data<float>(), u.shard, u.full.data<float>());
    } else {
      Group::world(runtime()).all_gather(u.value.data(), u.full.data(), u.shard, STRATA_F32).wait();
    }
  }

  void clear_gradients() {
    for (const FlatUnit& u : units_) {
      std::fill_n(u.grad.data<float>(), u.shard, 0.F);
    }
  }

  FlatConfig config_;
  ModelView model_;
  int32_t world_size_ = 1;
  std::vector<FlatUnit> units_;
};

}  // namespace strata::testing
