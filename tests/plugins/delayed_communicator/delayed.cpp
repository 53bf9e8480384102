// Communicator "delayed": collectives run in the order of their calls, but no earlier than somebody waits, and before each
// one of the ranks sleeps for 100 ms. What is touched too early, or let go too early, shows.
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "threads.hpp"

namespace {

using strata::CommGroup;
using strata::CommWork;

class DelayedGroup final : public CommGroup {
 public:
  DelayedGroup(std::unique_ptr<CommGroup> group, int32_t rank, int32_t size)
      : group_(std::move(group)), rank_(rank), size_(size) {}

  Pending all_reduce(void* data, int64_t count, int32_t dtype, int32_t op) override {
    return later([=, this] { group_->all_reduce(data, count, dtype, op); });
  }

  Pending reduce_scatter(
      const void* in, void* out, int64_t count, int32_t dtype, int32_t op) override {
    return later([=, this] { group_->reduce_scatter(in, out, count, dtype, op); });
  }

  Pending all_gather(const void* in, void* out, int64_t count, int32_t dtype) override {
    return later([=, this] { group_->all_gather(in, out, count, dtype); });
  }

  Pending broadcast(void* data, int64_t count, int32_t dtype, int32_t root) override {
    return later([=, this] { group_->broadcast(data, count, dtype, root); });
  }

  Pending all_to_all(const void* in, void* out, int64_t count, int32_t dtype) override {
    return later([=, this] { group_->all_to_all(in, out, count, dtype); });
  }

  void barrier() override {
    run_up_to(called_);
    group_->barrier();
  }

  void abort(std::string_view reason) noexcept override { group_->abort(reason); }

 private:
  struct Late final : CommWork {
    Late(DelayedGroup& owner, int64_t call) : group(owner), number(call) {}

    void wait() override { group.run_up_to(number); }

    DelayedGroup& group;
    int64_t number;
  };

  Pending later(std::function<void()> call) {
    calls_.push_back(std::move(call));
    return std::make_unique<Late>(*this, ++called_);
  }

  void run_up_to(int64_t number) {
    for (; ran_ < number; ++ran_) {
      if (ran_ % size_ == rank_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      const std::function<void()> call = std::move(calls_.front());
      calls_.pop_front();
      call();
    }
  }

  std::unique_ptr<CommGroup> group_;
  int32_t rank_;
  int32_t size_;
  std::deque<std::function<void()>> calls_;
  int64_t called_ = 0;
  int64_t ran_ = 0;
};

class Delayed final : public strata::threads::Threads {
 public:
  Delayed() : Threads({}) {}

  std::unique_ptr<CommGroup> group_new(const strata_group_args& args) override {
    return std::make_unique<DelayedGroup>(Threads::group_new(args), args.rank, args.size);
  }
};

}  // namespace

STRATA_PLUGIN(
    strata::exported<Delayed>("delayed").doc("Ranks as threads whose collectives come late."));
