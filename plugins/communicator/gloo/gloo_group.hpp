// A group over LibTorch's Gloo process group that adds up in rank order.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "strata/cpp/communicator.hpp"
#include "strata/kit/call.hpp"

#include "gloo_store.hpp"

namespace gloo_backend {

/// Gloo's own reductions change the order of addition with the size, so only its exchanges are
/// used: slices go to the rank that adds them, sums are gathered. Data travels through buffers of
/// the group, in pieces, so that an operation that was given up never writes into the caller's
/// memory.
class STRATA_HIDDEN GlooGroup final : public strata::CommGroup {
 public:
  /// check_calls: compares the ranks' calls before each collective, at the price of one small
  /// exchange.
  GlooGroup(const strata_group_args& args, bool check_calls);
  ~GlooGroup() override;

  Pending all_reduce(void* data, int64_t count, int32_t dtype, int32_t op) override;
  Pending reduce_scatter(
      const void* in, void* out, int64_t count, int32_t dtype, int32_t op) override;
  Pending all_gather(const void* in, void* out, int64_t count, int32_t dtype) override;
  Pending broadcast(void* data, int64_t count, int32_t dtype, int32_t root) override;
  Pending all_to_all(const void* in, void* out, int64_t count, int32_t dtype) override;
  void barrier() override;
  void abort(std::string_view reason) noexcept override;

 private:
  using Operation = std::function<c10::intrusive_ptr<c10d::Work>()>;

  void begin(int32_t kind, int64_t count, int32_t dtype, int32_t detail);
  void compare_calls();
  void run(const Operation& operation);
  void finish(c10d::Work& work);
  void exchange(int64_t slice_bytes);  // send_ -> recv_, slice r to rank r
  void collect(int64_t slice_bytes);   // the first slice of send_ -> recv_, by rank
  void reduce_slices(std::byte* out, int64_t slice_bytes, int64_t count, int32_t op);
  void reserve(int64_t bytes);
  [[nodiscard]] std::byte* send_at(int64_t offset);
  [[nodiscard]] std::byte* recv_at(int64_t offset);
  void look_for_abort();
  void throw_if_aborted();
  [[noreturn]] void fail(const std::string& what);

  std::string name_;
  int rank_;
  int size_;
  bool check_calls_;
  c10::intrusive_ptr<HostStore> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  strata::kit::Call call_;
  at::Tensor send_;
  at::Tensor recv_;
  std::atomic<bool> aborted_ = false;
  std::mutex reason_mutex_;
  std::string reason_;
};

}  // namespace gloo_backend
