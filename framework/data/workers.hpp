// Threads that make batches. Each batch is one thread's; they come out in the order in which they
// were asked for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "data/batch.hpp"
#include "data/pipeline.hpp"

namespace strata::data {

/// Which samples a batch holds.
struct BatchPlan {
  std::vector<SampleKey> samples;
  int64_t valid = 0;  // leading ones that count
};

/// Makes a batch on the calling thread. scratch: any sample, reused. Returns an empty batch when
/// `cancelled` turns true meanwhile.
Batch make_batch(const Pipeline& pipeline,
                 const BatchPlan& plan,
                 strata_sample& scratch,
                 const std::atomic<bool>& cancelled);

/// Everything here is called by one thread, the rank's trainer.
class Workers {
 public:
  /// pipeline: borrowed, outlives this.
  Workers(const Pipeline& pipeline, int64_t count);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  void submit(BatchPlan plan);

  [[nodiscard]] size_t pending() const { return tasks_.size(); }

  /// Waits for the batch that was asked for first. Errors: what its making threw.
  Batch take();

  /// Drops what is pending; returns when no worker is at it any more, at most one sample later.
  void cancel();

 private:
  struct Task {
    BatchPlan plan;
    Batch batch;
    std::exception_ptr error;
    bool done = false;
  };

  void work();
  void run(Task& task, strata_sample& scratch);
  void stop() noexcept;

  const Pipeline& pipeline_;
  std::mutex mutex_;
  std::condition_variable submitted_;
  std::condition_variable finished_;
  std::deque<Task> tasks_;  // changed by the trainer alone, under the mutex; the first claimed_ are
                            // taken by workers
  size_t claimed_ = 0;
  bool stopping_ = false;
  std::atomic<bool> cancelled_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace strata::data
