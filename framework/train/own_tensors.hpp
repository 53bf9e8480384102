// What a checkpoint holds of each rank besides parameters: buffers of the model and random numbers.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "train/saved_tensors.hpp"

namespace strata::checkpoint {
class CheckpointReader;
}

namespace strata::train {

/// Running statistics, and states that hooks keep of them, are saved as rank 0 has them, under their names; those of other ranks that differ (batch norm
/// without synchronisation), and the state of every rank's random numbers, as "rank1/name". [main]
class OwnTensors {
 public:
  /// Compares buffers with rank 0's. ranks: with what is of use on the same number of ranks alone. Collective.
  OwnTensors(Session& session, Engine& engine, bool ranks);

  [[nodiscard]] int64_t bytes() const;
  /// Takes so many bytes of `memory` and copies there.
  void copy(Staging& memory, Captured& out) const;

 private:
  struct Entry {
    std::string name;
    at::Tensor tensor;
    checkpoint::Kind kind;
  };

  std::vector<Entry> entries_;
};

/// Brings them back, as far as the checkpoint has them: hooks' states, and on as many ranks as saved it what is of this
/// rank. Buffers as rank 0 had them came with the weights. Not collective.
/// Errors: STRATA_E_FAILED for one of another shape or type.
void restore_own_tensors(Session& session,
                         Engine& engine,
                         const checkpoint::CheckpointReader& from);

}  // namespace strata::train
