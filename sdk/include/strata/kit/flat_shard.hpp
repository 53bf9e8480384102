// One flat piece of a model over ranks: gathers its values before use, reduces its gradients to the own shard.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/cpp/params.hpp"
#include "strata/kit/flat_layout.hpp"
#include "strata/kit/mesh.hpp"

namespace strata::kit {

/// What a piece keeps, in which element types.
struct STRATA_HIDDEN ShardSpec {
  const Mesh* mesh = nullptr;         // outlives the piece
  int32_t value_dtype = STRATA_F32;   // parameters compute in it, and are gathered in it
  int32_t master_dtype = STRATA_F32;  // the optimizer updates in it
  int32_t reduce_dtype = STRATA_F32;  // gradients travel and are added in it
  int32_t grad_dtype = STRATA_F32;    // the optimizer reads gradients in it
  bool trainable = true;
  bool resident = false;  // values stay whole between uses
  bool full_grads =
      false;  // gradients stay whole until one reduction closes the step; reduce_dtype == grad_dtype
  /// The update works in the host's memory: masters lie there, apart from the values, and gradients are copied there
  /// for it.
  bool host_update = false;

  bool operator==(const ShardSpec&) const = default;
};

/// The spec as a piece really keeps it: a rank that is alone holds values and gradients where the optimizer works on them.
ShardSpec effective(ShardSpec spec);

/// Parameters of one layout. All calls that communicate come in the same order on all ranks. [main], [autograd]
///
/// Memory, in the tags of the byte account: "shard" own shard of the masters; "param" whole values that stay; "unit"
/// whole values between gather and evict; "grad" what the optimizer reads; "unit_grad" whole gradients until reduced;
/// "comm" scratch of a hybrid mesh, and gradients copied for a host update.
class STRATA_HIDDEN FlatShard {
 public:
  /// Makes the buffers and binds the parameters' values. In materialize().
  FlatShard(strata_runtime* runtime, FlatLayout layout, const ShardSpec& spec);

  /// Lets the host write initial or stored values. Peak beyond what is kept: one parameter, or of stored values that
  /// are kept in shards alone what the host reads at a time.
  void fill();

  [[nodiscard]] const FlatLayout& layout() const { return layout_; }

  [[nodiscard]] const ShardSpec& spec() const { return spec_; }

  /// Whether the whole values are here, or under way.
  [[nodiscard]] bool present() const { return full_.resident(); }

  [[nodiscard]] bool resident() const { return spec_.resident; }

  /// Starts bringing the whole values; nothing when they are here.
  void gather_begin();
  /// Ends it: values may be used.
  void gather_end();

  /// Whether a gather still runs that gather_end() would wait for.
  [[nodiscard]] bool gathering() const { return static_cast<bool>(gathering_); }

  /// Lets the whole values go. Nothing for a resident piece.
  void evict();

  /// After an update, which wrote the own shard of a resident piece's values: brings the others' shards. Collective.
  void publish() {
    publish_begin();
    publish_end();
  }

  /// The same in two: values are not to be used, nor the own shard written to, until the end.
  void publish_begin();
  void publish_end();

  /// After the masters were written to otherwise: brings the whole values of a resident piece up to date. Collective.
  void values_changed();

  /// Takes what was written to the whole values into the own shard.
  void adopt();

  /// Moves the gradient of the parameter in a slot here, adding to what is there. False when it has none. Not while a
  /// reduction is under way.
  bool take(size_t slot);

  /// Whether gradients wait for reduction.
  [[nodiscard]] bool pending() const { return pending_; }

  void reduce_begin();
  void reduce_end();

  /// Between reduce_begin() and reduce_end().
  [[nodiscard]] bool reducing() const { return under_way_; }

  /// Whether reduce_end() would have to wait.
  [[nodiscard]] bool busy() const { return static_cast<bool>(reducing_); }

  /// Before an update, in the types of the masters: copies the own gradients to where a host update reads them; nothing
  /// for another.
  void stage_gradients();

  /// After an update: what comes next replaces what is there.
  void clear_gradients();
  /// After a failure: ends what is under way, forgets gradients, evicts.
  void abandon() noexcept;

  /// Nothing for a frozen piece.
  void put_view(const OptimViewSink& out) const;

 private:
  [[nodiscard]] bool aliased() const {
    return spec_.resident && spec_.value_dtype == spec_.master_dtype && !spec_.host_update;
  }

  [[nodiscard]] std::byte* own_values() const;
  [[nodiscard]] std::byte* own_gradients() const;

  [[nodiscard]] int64_t shard_bytes(int32_t dtype) const { return layout_.shard * size_of(dtype); }

  void make_gradient_buffers();
  void fill_both(std::span<const strata_segment> own);
  [[nodiscard]] std::byte* master_at(const strata_segment& own) const;

  strata_runtime* runtime_;
  Params params_;
  FlatLayout layout_;
  ShardSpec spec_;
  Buffer full_;
  Buffer master_;  // absent when aliased(): then a slice of full_
  Buffer full_grad_;
  Buffer grad_;    // absent with full_grads
  Buffer staged_;  // of a host update
  Buffer scratch_;
  Work gathering_;
  Work reducing_;
  Work publishing_;
  std::vector<uint8_t> taken_;  // per slot: full_grad_ holds its gradient
  bool pending_ = false;
  bool under_way_ = false;
  bool has_grad_ = false;  // grad_ holds a sum of this step
};

}  // namespace strata::kit
