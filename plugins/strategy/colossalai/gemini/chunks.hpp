// All chunks of one rank: which are whole, which go, which come next, which are being reduced.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "strata/kit/access_order.hpp"
#include "strata/kit/mesh.hpp"

#include "budget.hpp"
#include "chunk.hpp"
#include "chunk_plan.hpp"
#include "placement.hpp"

namespace strata::colossalai {

/// What happened since the start.
struct STRATA_HIDDEN ChunkCounts {
  int64_t gathers = 0;
  int64_t evictions = 0;  // of whole chunks that hold values
};

/// A chunk is active while a unit that needs it runs. Active chunks stay; the others may go, and go when they must: under
/// static placement when more than a fraction of all values is whole, under automatic placement when memory is short.
///
/// Calls come in the same order on all ranks, and so do the collectives and the choices behind them. [main], [autograd]
class STRATA_HIDDEN Chunks {
 public:
  Chunks() = default;
  Chunks(const Chunks&) = delete;
  Chunks& operator=(const Chunks&) = delete;

  /// Makes the chunks without their values and binds all parameters. plan, config, mesh outlive this.
  void make(strata_runtime* runtime,
            const ModelView& model,
            const ChunkPlan& plan,
            const GeminiConfig& config,
            const kit::Mesh& mesh,
            int32_t ranks_of_machine);
  /// Lets the host write values, chunk by chunk.
  void fill();

  [[nodiscard]] std::span<Chunk> all() { return chunks_; }

  [[nodiscard]] const Pools& pools() const { return pools_; }

  [[nodiscard]] const ChunkCounts& counts() const { return counts_; }

  /// Begins and ends a training iteration, whose uses are noted.
  void begin();
  void end(bool complete);

  /// Makes a unit's chunks whole and active, others leave for them if they must. train: the use is noted, and what comes
  /// next may be brought as well. Errors: STRATA_E_FAILED, the device has too little memory.
  void use(int32_t unit, bool train);
  /// Makes a unit's chunks whole, however much memory that takes.
  void bring(int32_t unit);
  /// The unit is done: its chunks may go.
  void leave(int32_t unit);

  [[nodiscard]] bool active(int32_t unit) const { return active_[static_cast<size_t>(unit)] != 0; }

  /// Lets inactive chunks go down to what may stay.
  void trim();
  /// Lets all go.
  void release_all();

  /// Reduces a chunk; unless the configuration forbids it, that goes on while backward does.
  void reduce(int32_t chunk);
  /// Waits until at most so many reductions are under way.
  void finish(size_t left);

  /// Before the first update after measuring: masters come to the device as far as there is room (gpu_margin_mem_ratio).
  void promote();
  void abandon() noexcept;

  /// Bytes of states in the device pool, as optimizer states lie with their masters.
  [[nodiscard]] int64_t device_states() const;

 private:
  [[nodiscard]] Chunk& at(int32_t chunk) { return chunks_[static_cast<size_t>(chunk)]; }

  [[nodiscard]] const std::vector<int32_t>& needs(int32_t unit) const {
    return plan_->units[static_cast<size_t>(unit)].chunks;
  }

  [[nodiscard]] bool is_active(int32_t chunk) const {
    return users_[static_cast<size_t>(chunk)] > 0;
  }

  struct Places {
    std::vector<Pool> home;
    std::vector<Pool> optim;
  };

  [[nodiscard]] std::vector<int64_t> whole_bytes() const;
  [[nodiscard]] Places place_statically();
  [[nodiscard]] Places begin_automatically() const;
  void regain(int32_t unit);
  void look_ahead();
  void make_room(std::span<const int32_t> wanted);
  void move_home(int64_t missing);
  [[nodiscard]] int64_t bytes_freed_by(int32_t chunk) const;
  void evict(std::span<const Held> held, int64_t allowed);
  [[nodiscard]] std::vector<Held> held(std::span<const int32_t> wanted) const;
  [[nodiscard]] int64_t device_bytes_to_come(std::span<const int32_t> wanted) const;
  [[nodiscard]] size_t next_use(int32_t chunk) const;
  [[nodiscard]] int64_t bytes_of(std::string_view tag) const;

  strata_runtime* runtime_ = nullptr;
  ModelView model_;
  const ChunkPlan* plan_ = nullptr;
  const GeminiConfig* config_ = nullptr;
  const kit::Mesh* mesh_ = nullptr;
  Pools pools_;
  std::vector<Chunk> chunks_;
  std::vector<int32_t> users_;      // by chunk: active units
  std::vector<uint8_t> active_;     // by unit
  std::vector<uint64_t> last_use_;  // by chunk
  std::vector<uint8_t> ahead_;      // by chunk: brought before its use
  uint64_t clock_ = 0;
  int64_t may_stay_ = 0;  // static placement: bytes of whole chunks between uses
  Budget budget_;
  kit::AccessOrder order_;
  std::deque<int32_t> reducing_;
  ChunkCounts counts_;
  bool asynchronous_ =
      false;  // a gather has gone on after its call: only then does foresight hide anything
  bool promoted_ = false;
};

}  // namespace strata::colossalai
