// A chunk: parameters in one flat buffer, cut over ranks, whose memory gradients take over.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "strata/cpp/params.hpp"
#include "strata/kit/flat_layout.hpp"
#include "strata/kit/mesh.hpp"

#include "pools.hpp"

namespace strata::colossalai {

struct STRATA_HIDDEN ChunkSpec {
  const kit::Mesh* mesh = nullptr;    // outlives the chunk
  int32_t value_dtype = STRATA_F32;   // parameters compute, gradients travel and are kept in it
  int32_t master_dtype = STRATA_F32;  // the optimizer updates in it
  bool has_master = true;             // false: the optimizer works on the values
  bool keeps_values = false;          // the own values stay beside their gradients
  Pool home = Pool::kDevice;          // of the own values
  Pool optim = Pool::kDevice;         // of masters, states and reduced gradients
  bool moves = false;                 // home and optim may change
};

/// What lies where in the course of a step, for each of the N shards:
///
///   between uses     the own values, in the home pool, beside the master
///   in use           all values as well, in the device pool
///   after backward   each parameter's gradient over its values, as soon as nobody reads these any more
///   reduced          the own gradients, in the optimizer's pool and in place of the own values
///   after the update the own values again, made from the master
///
/// With half-precision values and Adam that is 2 + 4 + 8 bytes a parameter, beside whole chunks. A chunk that is needed once
/// more while gradients have the place of its values (a second micro-batch, a recomputed unit) takes them from the master.
///
/// Calls that communicate come in the same order on all ranks. [main], [autograd]
class STRATA_HIDDEN Chunk {
 public:
  /// Binds the parameters. In materialize().
  Chunk(strata_runtime* runtime, kit::FlatLayout layout, const ChunkSpec& spec, Pools& pools);

  /// Lets the host write initial or stored values of the own shard.
  void fill();

  [[nodiscard]] const kit::FlatLayout& layout() const { return layout_; }

  [[nodiscard]] const ChunkSpec& spec() const { return spec_; }

  /// Bytes of all values, and of one rank's.
  [[nodiscard]] int64_t whole_bytes() const { return layout_.numel() * size_of(spec_.value_dtype); }

  [[nodiscard]] int64_t shard_bytes() const { return layout_.shard * size_of(spec_.value_dtype); }

  // --- values ---

  /// Whether all values are there, or under way, but for those that gradients have taken the place of.
  [[nodiscard]] bool whole() const { return has_values_; }

  /// Starts bringing all values; nothing when they are there. It holds no gradients.
  void gather_begin();
  void gather_end();

  [[nodiscard]] bool gathering() const { return static_cast<bool>(gathering_); }

  /// Lets all values go; the own ones stay where they are. It holds no gradients.
  void release();
  /// Moves home, with the own values if they are there. Not where gradients take their place in one buffer.
  void move_home(Pool home);

  [[nodiscard]] Pool home() const { return spec_.home; }

  /// Whether the own values lie at home.
  [[nodiscard]] bool at_home() const { return at_home_; }

  /// Masters, gradients and states count in this pool from now on.
  void move_optim(Pool pool);

  /// What was written to whole values, into the own shard.
  void adopt();
  /// Masters were written to: whole values go, the own ones are made anew.
  void refresh();

  // --- gradients ---

  /// Puts the gradient of the parameter in a slot over its values, or adds it to the one there.
  void take(size_t slot);

  /// Whether the slot holds a gradient and not values.
  [[nodiscard]] bool taken(size_t slot) const { return taken_[slot] != 0; }

  [[nodiscard]] bool holds_gradients() const { return n_taken_ > 0; }

  /// Sums over ranks, parameters without a gradient as zeros, and adds to the sum of this step. Ends with no whole buffer.
  void reduce_begin();
  void reduce_end();

  [[nodiscard]] bool reducing() const { return under_way_; }

  /// Whether reduce_end() would have to wait.
  [[nodiscard]] bool busy() const { return static_cast<bool>(reducing_); }

  // --- updates ---

  /// Before an update: gradients and masters are where the optimizer looks for them.
  void step_begin();
  /// After it. updated: not skipped.
  void step_end(bool updated);
  /// After a failure: gradients are forgotten, values are those of the master.
  void abandon() noexcept;

  void put_view(const OptimViewSink& out) const;

 private:
  /// Own values and reduced gradients take turns in one buffer.
  [[nodiscard]] bool shares() const {
    return spec_.has_master && !spec_.keeps_values && !spec_.moves && spec_.home == spec_.optim;
  }

  [[nodiscard]] PooledBuffer& values() {
    return shares() ? grad_ : values_[static_cast<size_t>(spec_.home)];
  }

  [[nodiscard]] std::byte* own() const;  // in the whole buffer
  void drop_whole();
  void restore_values();
  void drop_values();
  void forget_gradients();
  void copy(std::byte* to, Pool to_pool, const std::byte* from, Pool from_pool, int64_t bytes);

  strata_runtime* runtime_;
  Params params_;
  Pools* pools_;
  kit::FlatLayout layout_;
  ChunkSpec spec_;
  PooledBuffer whole_;  // always in the device pool
  std::array<PooledBuffer, 2>
      values_;  // the own values, by pool; absent without a master and when shares()
  PooledBuffer master_;
  PooledBuffer grad_;
  PooledBuffer scratch_;  // of a mesh with replicas
  Work gathering_;
  Work reducing_;
  std::vector<uint8_t> taken_;  // by slot
  size_t n_taken_ = 0;
  bool at_home_ = false;     // the own values are in values()
  bool has_values_ = false;  // the whole buffer has values, or gradients over some of them
  bool under_way_ = false;
  bool has_grad_ = false;  // grad_ holds a sum of this step
};

}  // namespace strata::colossalai
