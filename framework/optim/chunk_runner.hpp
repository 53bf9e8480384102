// Calls an optimizer for the chunks of an update, on the threads of a crew.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/abi/optim.h"

#include "border/object.hpp"
#include "optim/crew.hpp"

namespace strata::optim {

/// The hyper-parameters and the factor of an update.
struct StepNumbers {
  const double* hypers;  // [group][hyper]
  uint64_t n_hypers;
  double grad_scale;
};

/// Cuts chunks, so that every thread has work; an optimizer that does not allow threads gets them in one call.
/// Results do not depend on the number of threads. [main]
class ChunkRunner {
 public:
  ChunkRunner(const border::Object<strata_optimizer_api>& optimizer, Crew& crew);

  /// Sums over parameters that the optimizer asks for.
  [[nodiscard]] size_t n_sums() const { return n_sums_; }

  /// The chunks' terms, [chunk][sum].
  [[nodiscard]] std::vector<double> prepare(std::span<const strata_optim_chunk> chunks,
                                            const StepNumbers& numbers) const;
  /// Updates values and states, and fills the copies.
  void step(std::span<const strata_optim_chunk> chunks, const StepNumbers& numbers) const;

 private:
  struct Pieces {
    std::vector<strata_optim_chunk> chunks;
    std::vector<size_t> of;     // the chunk that each comes from
    std::vector<size_t> tasks;  // where each task begins in chunks; the end is last
  };

  [[nodiscard]] Pieces cut(std::span<const strata_optim_chunk> chunks) const;
  [[nodiscard]] strata_optim_chunk piece(const strata_optim_chunk& chunk,
                                         int64_t from,
                                         int64_t count) const;

  const border::Object<strata_optimizer_api>& optimizer_;
  Crew& crew_;
  bool concurrent_ = false;
  bool writes_copy_ = false;
  size_t n_sums_ = 0;
  std::vector<int32_t> state_dtypes_;
};

}  // namespace strata::optim
