// Threads that share the work of one rank's update.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace strata::optim {

/// The calling thread and size() - 1 others, which sleep between two calls. Not movable. [main]
class Crew {
 public:
  /// size: at least 1.
  explicit Crew(int size);
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew();

  [[nodiscard]] int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls f(0) … f(count - 1), each once, on whichever thread is free; returns when all have ended. When one throws,
  /// those that have not begun are left out, and the first exception is thrown here.
  void each(size_t count, const std::function<void(size_t)>& f);

 private:
  void work();
  void take_tasks(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable begun_;
  std::condition_variable ended_;
  const std::function<void(size_t)>* task_ = nullptr;  // null: nothing to do
  size_t next_ = 0;
  size_t count_ = 0;
  size_t running_ = 0;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace strata::optim
