// Writing checkpoints while training goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "strata/cpp/error.hpp"

#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/index.hpp"
#include "train/saved_tensors.hpp"
#include "train/session.hpp"

namespace strata::train {

/// What is to be written, by this rank.
struct WriteTask {
  std::filesystem::path dir;  // of the checkpoint
  Captured tensors;
  std::string state;                            // JSON; rank 0's counts
  bool update_last = false;                     // last_checkpoint points to it afterwards
  std::chrono::steady_clock::time_point begun;  // when training stopped for it
};

/// One per rank. A thread writes this rank's files; when all ranks have written theirs, rank 0's publishes the
/// checkpoint. All ranks come to one result. [main]
class CheckpointWriter {
 public:
  explicit CheckpointWriter(Session& session) : session_(session) {}

  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;
  /// Lets what runs come to its end, unless a rank no longer answers.
  ~CheckpointWriter();

  /// What a task's tensors lie in. Kept from one checkpoint to the next: the first one pays for memory that is touched
  /// for the first time.
  [[nodiscard]] Staging& memory() { return memory_; }

  /// Returns when the writing has begun; an earlier one has ended by then. What is copied to memory() from now on is
  /// written as it comes; afterwards copied(), or memory().end(false). Collective.
  /// Errors: of the earlier one; STRATA_E_IO when the folder cannot be made, rank 0's on every rank.
  void start(WriteTask task);

  /// All values of the task are in memory(): training goes on.
  void copied();

  /// Waits for the end of what was started. Errors: what it failed with, the same on every rank.
  void wait();

  /// Throws what writing failed with, if it has ended so; returns at once.
  void check();

  /// Rank 0 does this after what was started has succeeded, or now if nothing runs; not at all after a failure. What it
  /// throws counts as a failure of writing.
  void then(std::function<void()> action);

 private:
  struct Job {
    WriteTask task;
    std::filesystem::path folder;                     // where all ranks write
    std::unique_ptr<checkpoint::NewCheckpoint> made;  // rank 0's
    std::string key;                                  // in the store
    double waited = 0;  // seconds, by training; once memory_ is complete
  };

  void run(Job& job);
  void end(std::optional<Error> failure);
  void write(Job& job);
  void lead(Job& job);
  void follow(Job& job);
  [[nodiscard]] checkpoint::Index write_files(const Job& job) const;
  void publish(Job& job, const checkpoint::Index& index);
  [[nodiscard]] std::string hear(const std::string& key) const;

  Session& session_;
  Staging memory_;
  std::thread thread_;
  std::unique_ptr<Job> job_;
  int64_t started_ = 0;  // the same on all ranks
  std::mutex mutex_;     // of the next three; failure_ is read once failed_ says so
  bool running_ = false;
  std::vector<std::function<void()>> actions_;
  std::optional<Error> failure_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> giving_up_{false};
};

}  // namespace strata::train
