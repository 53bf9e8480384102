// Threads of an update.
#include "optim/crew.hpp"

#include <utility>

namespace strata::optim {

Crew::Crew(int size) {
  for (int i = 1; i < size; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

Crew::~Crew() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  begun_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Crew::each(size_t count, const std::function<void(size_t)>& f) {
  if (threads_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) {
      f(i);
    }
    return;
  }
  std::unique_lock lock(mutex_);
  task_ = &f;
  next_ = 0;
  count_ = count;
  begun_.notify_all();
  take_tasks(lock);
  ended_.wait(lock, [this] { return running_ == 0; });
  task_ = nullptr;
  if (error_) {
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

void Crew::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    begun_.wait(lock, [this] { return stopping_ || (task_ != nullptr && next_ < count_); });
    if (stopping_) {
      return;
    }
    take_tasks(lock);
  }
}

// Tasks are long beside the lock that is taken for each.
void Crew::take_tasks(std::unique_lock<std::mutex>& lock) {
  while (next_ < count_) {
    const size_t i = next_++;
    ++running_;
    lock.unlock();
    std::exception_ptr error;
    try {
      (*task_)(i);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --running_;
    if (error) {
      next_ = count_;
      error_ = error_ ? error_ : error;
    }
  }
  ended_.notify_all();
}

}  // namespace strata::optim
