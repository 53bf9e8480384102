// The tensors of a checkpoint: which rank writes what, and a copy of it as of now.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/shard_file.hpp"
#include "optim/updater.hpp"
#include "train/engine.hpp"
#include "train/session.hpp"
#include "train/staging.hpp"

namespace strata::train {

/// What one rank writes: its files' pieces, in the memory of a Staging.
struct Captured {
  std::vector<checkpoint::ShardPiece> model;      // parameters and buffers
  std::vector<checkpoint::ShardPiece> optimizer;  // states, and what is this rank's alone
};

/// All values and optimizer states of a training run, wherever they lie. Every rank makes one and calls the same
/// functions. [main]
///
/// Values are those that the optimizer updates (fp32 masters, not their half-precision copies): a run goes on from them.
/// Parameters that no optimizer view covers come through the strategy's scope, unit by unit. Of what several ranks hold
/// alike each writes a part, so that all write about as much.
class SavedTensors {
 public:
  /// Tells the other ranks what this one holds. Collective.
  /// Errors: STRATA_E_ARGUMENT for a parameter of which the views of all ranks together lack some elements.
  SavedTensors(Session& session, Engine& engine);
  SavedTensors(const SavedTensors&) = delete;
  SavedTensors& operator=(const SavedTensors&) = delete;

  /// Where in `memory`, which begins anew, everything will lie that this rank writes. optimizer: with its states (those
  /// of hooks are there always), random numbers and what ranks have of their own. Collective.
  Captured lay_out(bool optimizer, Staging& memory);

  /// Copies it there, after lay_out(): the pieces of the model first. Nothing is sent but parameters that lie in memory
  /// otherwise than row by row and are cut there, and those outside of the views. Collective.
  /// Memory   beside `memory` one parameter or one unit of those.
  void copy(Staging& memory);

  /// Updates of a parameter so far, from the ranks that make them.
  [[nodiscard]] int64_t steps(int32_t param) const { return steps_[static_cast<size_t>(param)]; }

 private:
  /// A stretch of a flattened tensor, in elements, and who gives it.
  struct Piece {
    int64_t rank;
    int64_t offset;
    int64_t count;
    std::byte* to = nullptr;  // on this rank, once laid out
  };

  enum class Way {
    kOwn,       // every rank writes its pieces
    kPermuted,  // the one piece, put in order
    kGathered,  // pieces in another order than the rows': brought to one rank
    kScope      // outside of the views
  };

  struct Item {
    std::string name;
    int32_t param = 0;
    int64_t slot = 0;  // 0: the value; k: state k - 1
    int32_t dtype = 0;
    Way way = Way::kOwn;
    int64_t writer = 0;         // unless kOwn
    std::vector<Piece> pieces;  // of all elements, in order
    std::byte* to = nullptr;    // unless kOwn: on the writer, once laid out
  };

  struct Held {
    int64_t rank, offset, count, dtype;
  };

  using Key = std::pair<int64_t, int64_t>;  // parameter, slot
  using Pieces = std::vector<checkpoint::ShardPiece>;

  void learn_holdings();
  std::vector<int64_t> describe_own();
  [[nodiscard]] std::vector<Item> plan(bool optimizer);
  [[nodiscard]] Item plan_item(int32_t param, int64_t slot, std::string name);
  [[nodiscard]] std::vector<Piece> cover(const Key& key, int64_t element);
  [[nodiscard]] int64_t least_loaded() const;
  [[nodiscard]] int64_t own_bytes(const std::vector<Item>& items) const;

  [[nodiscard]] at::Tensor tensor_of(const Item& item) const {
    return engine_.model().param(item.param).tensor;
  }

  void lay_out(Item& item, Staging& memory, Captured& out) const;
  void copy(const Item& item, Staging& memory);
  void copy_own(const Item& item, Staging& memory) const;
  void copy_gathered(const Item& item, Staging& memory);
  void copy_scope(const Item& item, Staging& memory);
  void add(
      const Item& item, int64_t begin, int64_t count, const std::byte* data, Captured& out) const;
  [[nodiscard]] const std::byte* own(const Item& item, int64_t offset) const;
  void enter_scope(int32_t unit);
  void leave_scope();

  Session& session_;
  Engine& engine_;
  bool owns_storage_ = false;
  std::map<Key, std::vector<Held>> held_;              // by all ranks
  std::map<Key, std::vector<optim::StateSlice>> own_;  // by this one
  std::vector<int64_t> steps_;
  std::vector<int64_t> load_;  // bytes that each rank writes
  std::vector<Item> items_;    // laid out, values first
  int32_t unit_ = -1;          // whose scope is entered
};

}  // namespace strata::train
