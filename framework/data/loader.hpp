// Feeds a loop with batches: passes over the data, resumable at any batch, made ahead by worker
// threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "border/object.hpp"
#include "data/pipeline.hpp"

namespace strata::data {

struct Batch;  // data/batch.hpp

inline constexpr int64_t kEndless = INT64_MAX;

struct LoaderOptions {
  int64_t batch_size = 1;   // samples, of this rank
  int64_t num_workers = 0;  // threads; 0: the caller of next() makes the batch
  int64_t prefetch = 2;     // batches made ahead, per worker
  bool drop_last = false;   // leaves out a last batch that would be smaller
  bool persistent = false;  // keeps the threads between passes
  int64_t seed = 0;         // of the run; the same on all ranks
  int32_t rank = 0;
  int32_t world_size = 1;
  std::string where{};  // the loader's table in the config, for errors
};

/// Batches depend on seed, epoch and position, never on num_workers or on where a pass began.
///
/// Thread   [main]; data set and transforms run on the workers.
class Loader {
 public:
  /// Opens the data set and begins the sampler.
  /// Errors: STRATA_E_CONFIG for options that cannot work, among them a batch larger than this
  /// rank's share of the data with drop_last.
  Loader(Pipeline pipeline, border::Object<strata_sampler_api> sampler, LoaderOptions options);
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  /// Batches of a whole pass; kEndless for an endless sampler.
  [[nodiscard]] int64_t length() const;
  /// Samples of the data set, over all ranks.
  [[nodiscard]] int64_t dataset_size() const;
  [[nodiscard]] const Pipeline& pipeline() const;
  [[nodiscard]] const LoaderOptions& options() const;

  /// Begins a pass at any batch; what an unfinished pass had made ahead is dropped.
  /// Cost     one set_epoch of the sampler, whatever from_batch is.
  /// Errors   STRATA_E_ARGUMENT when from_batch is not in [0, length()].
  void begin_pass(int64_t epoch, int64_t from_batch = 0);

  /// The next batch, or false at the end of the pass.
  /// Errors   the data set's, transform's or sampler's own, with the sample's index; the pass is
  /// over then.
  bool next(Batch& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata::data
