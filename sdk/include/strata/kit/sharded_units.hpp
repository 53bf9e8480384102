// A model whose units are gathered for use and let go after it: what FSDP and ZeRO stage 3 have in common.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "strata/kit/access_order.hpp"
#include "strata/kit/flat_cost.hpp"
#include "strata/kit/flat_shard.hpp"

namespace strata::kit {

/// How a parameter is kept.
struct STRATA_HIDDEN ParamPlacement {
  const Mesh* mesh = nullptr;  // over which it is cut
  int32_t value_dtype = STRATA_F32;
  int32_t master_dtype = STRATA_F32;
  int32_t reduce_dtype = STRATA_F32;
  int32_t grad_dtype = STRATA_F32;
  bool resident = false;  // whole between uses

  bool operator==(const ParamPlacement&) const = default;
};

/// What a piece of parameters kept so is made with. A frozen parameter is never updated: it needs no master of its own
/// precision.
ShardSpec spec_of(const ParamPlacement& placement, bool trainable, bool full_grads);

/// What is gathered ahead of its use. All limits count together.
struct STRATA_HIDDEN Lookahead {
  int64_t units = 0;
  int64_t elements = std::numeric_limits<int64_t>::max();
};

struct STRATA_HIDDEN ShardedOptions {
  std::function<ParamPlacement(const strata_param_desc&)> placement;
  std::function<std::optional<int32_t>(const strata_unit_desc&)>
      buffer_dtype;  // absent or nothing: buffers stay
  bool reshard_after_forward = true;
  bool keep_root = false;  // the root stays from forward to backward
  bool reduce_every_micro =
      false;            // else gradients of a window stay whole until its last micro-batch
  bool overlap = true;  // a reduction may run while backward goes on
  Lookahead forward;
  Lookahead backward;
  bool prefetch_after_release = false;  // in backward: gather ahead once the unit before has gone
  /// A unit stays after its use when it is needed again within so many elements of other units' parameters.
  int64_t max_reuse_distance = 0;
  int64_t max_live =
      std::numeric_limits<int64_t>::max();  // elements present, for what goes beyond need
};

/// All units of one rank's model. The strategy forwards its events. Collectives come in the order of events.
///
/// A unit that borrows a parameter keeps the owner's unit present while it runs.
class STRATA_HIDDEN ShardedUnits {
 public:
  ShardedUnits() = default;
  ShardedUnits(const ShardedUnits&) = delete;
  ShardedUnits& operator=(const ShardedUnits&) = delete;

  /// owners: for each unit the one into which it is joined (itself: none). In plan_units().
  void plan(strata_runtime* runtime,
            const ModelView& model,
            std::span<const int32_t> owners,
            ShardedOptions options);

  void materialize(int32_t unit);
  void optim_views(const OptimViewSink& out) const;

  void iter_begin();
  void pre_forward(int32_t unit, const strata_step_ctx& ctx);
  void post_forward(int32_t unit, const strata_step_ctx& ctx);
  void pre_backward(int32_t unit, const strata_step_ctx& ctx);
  void post_backward(int32_t unit, const strata_step_ctx& ctx);
  void grad_ready(int32_t param);
  void unit_grads_ready(int32_t unit, const strata_step_ctx& ctx);
  void backward_done(const strata_step_ctx& ctx);
  void iter_end(const strata_step_ctx& ctx);
  void abort_iter() noexcept;
  void post_step();
  /// Lets whole values that were gathered before go, and brings those that stay up to date. Collective.
  void values_changed();

  void scope_enter(std::span<const int32_t> units);
  void scope_exit(std::span<const int32_t> units, bool writeback);

  /// Bytes of one rank and the traffic of a step, from layouts alone. Needs plan() and nothing else.
  void estimate(const strata_estimate_args& args, strata_estimate& out) const;

 private:
  struct Piece {
    std::vector<int32_t> params;
    ParamPlacement placement;
    bool trainable = true;

    [[nodiscard]] ShardSpec spec() const;
  };

  struct Unit {
    std::vector<int32_t>
        members;  // units joined into it, itself first; empty when it is joined itself
    std::vector<int32_t> users;  // itself and those that borrow from it
    std::vector<int32_t> needs;  // itself and those it borrows from
    std::vector<Piece> plans;
    std::vector<FlatShard> pieces;
    bool active = false;
  };

  struct Place {
    int32_t unit = 0;
    size_t piece = 0;
    size_t slot = 0;
  };

  void plan_pieces(int32_t unit);
  void plan_borrowers(std::span<const int32_t> owners);
  [[nodiscard]] FlatCost cost_of_unit(const Unit& unit, int64_t states) const;

  [[nodiscard]] Unit& at(int32_t unit) { return units_[static_cast<size_t>(unit)]; }

  [[nodiscard]] const Unit& at(int32_t unit) const { return units_[static_cast<size_t>(unit)]; }

  void use(int32_t unit, const Lookahead& ahead, const strata_step_ctx& ctx);
  void release(int32_t unit);
  void look_ahead(const Lookahead& ahead);
  void gather_begin(int32_t unit);
  void evict(int32_t unit);
  [[nodiscard]] bool wanted_soon(int32_t unit) const;
  [[nodiscard]] int64_t transient_elements(int32_t unit) const;
  [[nodiscard]] bool whole(int32_t unit) const;
  void evict_unused();
  void publish(void (FlatShard::*how)());
  [[nodiscard]] bool synchronises(const strata_step_ctx& ctx) const;
  void reduce(int32_t unit);
  void finish_reductions(size_t left);

  strata_runtime* runtime_ = nullptr;
  ModelView model_;
  ShardedOptions options_;
  std::vector<Unit> units_;
  std::vector<int32_t> owners_;
  std::vector<Place> places_;
  AccessOrder order_;
  std::vector<int32_t> uses_;  // since the last update, to be compared with the other ranks'
  std::deque<FlatShard*> reducing_;
  int64_t live_ = 0;  // elements present of pieces that come and go
  bool asynchronous_ =
      false;  // a gather has gone on after its call: only then does foresight hide anything
};

}  // namespace strata::kit
