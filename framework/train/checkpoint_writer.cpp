// The thread behind a checkpoint, and how ranks tell each other of their files.
#include "train/checkpoint_writer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/core.h>

#include "checkpoint/last_checkpoint.hpp"
#include "train/estimate.hpp"
#include "train/share_failure.hpp"

namespace strata::train {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTurn{500};
constexpr milliseconds kGrace{10'000};  // for the other ranks, once this one's run has ended
constexpr char kDone = '+';             // what a rank tells begins with one of these
constexpr char kFailed = '-';

double seconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

std::string file_name(const char* what, int rank, int ranks) {
  return ranks == 1 ? fmt::format("{}.safetensors", what)
                    : fmt::format("{}-{:05}-of-{:05}.safetensors", what, rank + 1, ranks);
}

Error failure_of(const std::exception& e) {
  const auto* error = dynamic_cast<const Error*>(&e);
  return error != nullptr ? *error : Error(STRATA_E_FAILED, e.what());
}

// Throws if the other rank told of a failure; else what it told.
std::string content_of(const std::string& told) {
  if (told.front() == kFailed) {
    throw error_from(told.substr(1));
  }
  return told.substr(1);
}

}  // namespace

CheckpointWriter::~CheckpointWriter() {
  giving_up_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void CheckpointWriter::start(WriteTask task) {
  wait();
  auto job = std::make_unique<Job>();
  job->task = std::move(task);
  job->key = text("checkpoint/", started_++, "/");
  on_rank_zero(session_,
               [&] { job->made = std::make_unique<checkpoint::NewCheckpoint>(job->task.dir); });
  job->folder =
      session_.world().broadcast_text(job->made ? job->made->folder().string() : std::string());
  job_ = std::move(job);
  running_ = true;
  thread_ = std::thread([this] { run(*job_); });
}

void CheckpointWriter::copied() {
  job_->waited = seconds_since(job_->task.begun);
  memory_.end(/*complete=*/true);
}

void CheckpointWriter::wait() {
  if (thread_.joinable()) {
    thread_.join();
    job_.reset();
  }
  check();
}

void CheckpointWriter::check() {
  if (failed_.exchange(false)) {
    throw Error(*std::exchange(failure_, std::nullopt));
  }
}

void CheckpointWriter::then(std::function<void()> action) {
  if (!session_.world().is_main()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (running_) {
      actions_.push_back(std::move(action));
      return;
    }
  }
  action();
}

void CheckpointWriter::run(Job& job) {
  std::optional<Error> failure;
  try {
    write(job);
  } catch (const std::exception& e) {
    failure = failure_of(e);
    failure->add_context(text("while saving the checkpoint ", job.task.dir.string()));
  }
  job.made.reset();
  job.task.tensors = {};
  end(std::move(failure));
}

// Actions may come until the last one is done.
void CheckpointWriter::end(std::optional<Error> failure) {
  std::unique_lock lock(mutex_);
  while (!actions_.empty() && !failure.has_value()) {
    const auto actions = std::exchange(actions_, {});
    lock.unlock();
    try {
      std::ranges::for_each(actions, [](const auto& action) { action(); });
    } catch (const std::exception& e) {
      failure = failure_of(e);
    }
    lock.lock();
  }
  actions_.clear();
  running_ = false;
  failure_ = std::move(failure);
  failed_ = failure_.has_value();
}

checkpoint::Index CheckpointWriter::write_files(const Job& job) const {
  const int rank = session_.world().rank();
  const int ranks = session_.world().size();
  const Captured& tensors = job.task.tensors;
  checkpoint::ShardOptions options;
  options.wait_for = [this](const std::byte* end) { memory_.wait_for(end); };
  std::vector<checkpoint::Index> parts(1);
  parts.front().world_size = ranks;
  for (const auto& [name, pieces] :
       {std::pair("model", &tensors.model), std::pair("optimizer", &tensors.optimizer)}) {
    if (!pieces->empty()) {
      parts.push_back(
          checkpoint::write_shard(job.folder, file_name(name, rank, ranks), *pieces, options));
    }
  }
  memory_.wait_for(nullptr);
  return checkpoint::merge(std::move(parts));
}

void CheckpointWriter::write(Job& job) {
  if (session_.world().size() == 1) {
    return publish(job, write_files(job));
  }
  return session_.world().is_main() ? lead(job) : follow(job);
}

// Hears of all ranks' files, publishes, and tells how it went.
void CheckpointWriter::lead(Job& job) {
  try {
    std::vector<checkpoint::Index> parts{write_files(job)};
    for (int rank = 1; rank < session_.world().size(); ++rank) {
      parts.push_back(checkpoint::decode_index(
          content_of(hear(text(job.key, rank))), text("rank ", rank), /*complete=*/false));
    }
    publish(job, checkpoint::merge(std::move(parts)));
    session_.store()->set(job.key + "end", std::string(1, kDone));
  } catch (const std::exception& e) {
    session_.store()->set(job.key + "end", kFailed + error_text(failure_of(e)));
    throw;
  }
}

// Tells of this rank's files, and hears what became of the whole.
void CheckpointWriter::follow(Job& job) {
  const int rank = session_.world().rank();
  std::string told;
  try {
    told = kDone + checkpoint::encode_index(write_files(job));
  } catch (const std::exception& e) {
    const Error failure = failure_of(e);
    told = kFailed +
           error_text(Error(
               failure.code(), text("rank ", rank, ": ", failure.message()), failure.where()));
  }
  session_.store()->set(text(job.key, rank), told);
  content_of(hear(job.key + "end"));
}

void CheckpointWriter::publish(Job& job, const checkpoint::Index& index) {
  job.made->publish(index, job.task.state);
  if (job.task.update_last) {
    checkpoint::write_last(session_.work_dir(), job.task.dir);
  }
  int64_t bytes = 0;
  for (const auto& [name, file] : index.files) {
    bytes += static_cast<int64_t>(file.bytes);
  }
  session_.log().info(
      "Checkpoint {} is on the disk: {} in {:.2f} s, for {:.2f} s of which training waited",
      job.task.dir.filename().string(),
      size_text(bytes),
      seconds_since(job.task.begun),
      job.waited);
}

std::string CheckpointWriter::hear(const std::string& key) const {
  auto end = steady_clock::now() + std::chrono::seconds(session_.run().timeout_s);
  for (bool hurried = false;;) {
    if (giving_up_ && !std::exchange(hurried, true)) {
      end = std::min(end, steady_clock::now() + kGrace);
    }
    if (auto found = session_.store()->find(key, kTurn)) {
      return *std::move(found);
    }
    if (steady_clock::now() >= end) {
      throw Error(STRATA_E_COMM, "a rank did not tell of its part of the checkpoint");
    }
  }
}

}  // namespace strata::train
