// Data workers.
#include "data/workers.hpp"

#include <utility>

#include "data/collate.hpp"

namespace strata::data {

Batch make_batch(const Pipeline& pipeline,
                 const BatchPlan& plan,
                 strata_sample& scratch,
                 const std::atomic<bool>& cancelled) {
  BatchAssembler assembler(static_cast<int64_t>(plan.samples.size()));
  int64_t position = 0;
  for (const SampleKey& key : plan.samples) {
    if (cancelled.load(std::memory_order_relaxed)) {
      return {};
    }
    assembler.prepare(position, scratch.fields);
    pipeline.make(key, scratch);
    assembler.take(position, key.index, scratch.fields);
    ++position;
  }
  return assembler.finish(plan.valid);
}

Workers::Workers(const Pipeline& pipeline, int64_t count) : pipeline_(pipeline) {
  try {
    for (int64_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

Workers::~Workers() {
  stop();
}

void Workers::stop() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    cancelled_ = true;
  }
  submitted_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Workers::submit(BatchPlan plan) {
  {
    const std::scoped_lock lock(mutex_);
    tasks_.emplace_back().plan = std::move(plan);
  }
  submitted_.notify_one();
}

Batch Workers::take() {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this] { return tasks_.front().done; });
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  claimed_ -= 1;
  lock.unlock();
  if (task.error) {
    std::rethrow_exception(task.error);
  }
  return std::move(task.batch);
}

void Workers::cancel() {
  std::unique_lock lock(mutex_);
  tasks_.resize(claimed_);
  cancelled_ = true;
  finished_.wait(lock, [this] {
    for (const Task& task : tasks_) {
      if (!task.done) {
        return false;
      }
    }
    return true;
  });
  tasks_.clear();
  claimed_ = 0;
  cancelled_ = false;
}

void Workers::work() {
  strata_sample scratch;
  std::unique_lock lock(mutex_);
  while (true) {
    submitted_.wait(lock, [this] { return stopping_ || claimed_ < tasks_.size(); });
    if (stopping_) {
      return;
    }
    Task& task = tasks_[claimed_++];  // stays put: a deque moves nothing, and only finished tasks
                                      // are removed
    lock.unlock();
    run(task, scratch);
    lock.lock();
    task.done = true;
    finished_.notify_one();
  }
}

void Workers::run(Task& task, strata_sample& scratch) {
  try {
    task.batch = make_batch(pipeline_, task.plan, scratch, cancelled_);
  } catch (...) {
    task.error = std::current_exception();
  }
}

}  // namespace strata::data
