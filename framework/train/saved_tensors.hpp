// The tensors of a checkpoint, on their way from the ranks that hold pieces of them to the one that writes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "optim/updater.hpp"
#include "train/engine.hpp"
#include "train/session.hpp"

namespace strata::train {

/// All values and optimizer states of a training run, wherever they lie. Every rank makes one and calls the same
/// functions in the same order. [main]
///
/// Values are those that the optimizer updates (fp32 masters, not their half-precision copies): a run goes on from them.
/// Parameters that no optimizer view covers come through the strategy's scope, unit by unit. Where several ranks hold the
/// same elements, the first one gives them; what rank 0 holds is not sent.
///
/// Memory   rank 0 has one piece of at most kPieceBytes beyond its own share at a time; besides, one parameter whose
///          memory order is not that of its shape, or one unit outside of the views.
class SavedTensors {
 public:
  static constexpr int64_t kPieceBytes = 4 << 20;

  /// Tells the other ranks what this one holds. Collective.
  /// Errors: STRATA_E_ARGUMENT for a parameter of which the views of all ranks together lack some elements.
  SavedTensors(Session& session, Engine& engine);
  SavedTensors(const SavedTensors&) = delete;
  SavedTensors& operator=(const SavedTensors&) = delete;

  /// Parameters and persistent buffers, and "parameter.state" for each state; shapes are those of the model. The fills
  /// refer to this object. They run once, in the order of the lists: rank 0's by the writer, the others' by follow().
  std::vector<checkpoint::TensorSource> model();
  std::vector<checkpoint::TensorSource> optimizer();

  /// Ranks other than 0: gives what is theirs, until the list ends or rank 0 has stopped.
  static void follow(const std::vector<checkpoint::TensorSource>& sources);
  /// After the last fill, whether writing failed or not.
  void finish();

  /// False when a fill failed for another reason than its Put: ranks are out of step, and finish() would hang.
  [[nodiscard]] bool in_step() const { return in_step_; }

  /// Updates of a parameter so far, from the ranks that make them.
  [[nodiscard]] int64_t steps(int32_t param) const { return steps_[static_cast<size_t>(param)]; }

 private:
  using Put = checkpoint::Put;

  /// A stretch of a flattened tensor, in elements.
  struct Piece {
    int64_t rank;
    int64_t offset;
    int64_t count;
  };

  struct Item {
    int32_t param = 0;
    int64_t slot = 0;  // 0: the value; k: state k - 1
    int32_t dtype = 0;
    std::vector<Piece> pieces;  // of all elements, in order; empty: outside of the views
    bool shared = false;        // takes more ranks than rank 0
  };

  using Key = std::pair<int64_t, int64_t>;  // parameter, slot

  void learn_holdings();
  std::vector<int64_t> describe_own();
  [[nodiscard]] Item plan(int32_t param, int64_t slot) const;
  checkpoint::TensorSource source(std::string name, Item item);
  void give(const Item& item, const Put& put);
  bool go_on();
  void transfer(const Item& item, const Put& put);
  void send_pieces(const Item& item, const Put& put);
  void put_outside(const Item& item, const Put& put);
  void enter_scope(int32_t unit);
  void leave_scope();
  [[nodiscard]] const std::byte* own(const Item& item, int64_t offset) const;

  struct Held {
    int64_t rank, offset, count, dtype;
  };

  Session& session_;
  Engine& engine_;
  bool owns_storage_ = false;
  std::map<Key, std::vector<Held>> held_;              // by all ranks
  std::map<Key, std::vector<optim::StateSlice>> own_;  // by this one
  std::vector<int64_t> steps_;
  int64_t left_ = 0;  // shared items that rank 0 has not begun
  bool stopped_ = false;
  bool in_step_ = true;
  int32_t unit_ = -1;  // whose scope is entered
};

}  // namespace strata::train
