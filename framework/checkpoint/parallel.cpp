// Threads that take numbers in order.
#include "checkpoint/parallel.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace strata::checkpoint {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kWorthAThread = size_t{1} << 20;  // bytes

class Jobs {
 public:
  Jobs(size_t count, const std::function<void(size_t)>& job) : count_(count), job_(job) {}

  void work() {
    for (auto number = next(); number.has_value(); number = next()) {
      try {
        job_(*number);
      } catch (...) {
        fail(*number);
      }
    }
  }

  void rethrow() const {
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }

 private:
  std::optional<size_t> next() {
    const std::lock_guard lock(mutex_);
    return next_ < std::min(count_, failed_) ? std::optional(next_++) : std::nullopt;
  }

  void fail(size_t number) {
    const std::lock_guard lock(mutex_);
    if (number < failed_) {
      failed_ = number;
      failure_ = std::current_exception();
    }
  }

  size_t count_;
  const std::function<void(size_t)>& job_;
  std::mutex mutex_;
  size_t next_ = 0;
  size_t failed_ = SIZE_MAX;
  std::exception_ptr failure_;
};

}  // namespace

void in_parallel(size_t count, size_t bytes, const std::function<void(size_t)>& job) {
  Jobs jobs(count, job);
  std::vector<std::jthread> others;
  size_t threads = std::min({kThreads, count, 1 + bytes / kWorthAThread});
  while (others.size() + 1 < threads) {
    try {
      others.emplace_back([&jobs] { jobs.work(); });
    } catch (const std::system_error&) {
      threads = others.size() + 1;  // the system has no more: fewer do it
    }
  }
  jobs.work();
  others.clear();
  jobs.rethrow();
}

}  // namespace strata::checkpoint
