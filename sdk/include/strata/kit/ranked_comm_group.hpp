// A RankedGroup as a communicator's group.
#pragma once

#include <string_view>
#include <utility>

#include "strata/cpp/communicator.hpp"
#include "strata/kit/ranked_group.hpp"

namespace strata::kit {

/// Its collectives are done when they return.
class STRATA_HIDDEN RankedCommGroup final : public CommGroup {
 public:
  explicit RankedCommGroup(RankedGroupArgs args) : group_(std::move(args)) {}

  Pending all_reduce(void* data, int64_t count, int32_t dtype, int32_t op) override {
    group_.all_reduce(data, count, dtype, op);
    return nullptr;
  }

  Pending reduce_scatter(
      const void* in, void* out, int64_t count, int32_t dtype, int32_t op) override {
    group_.reduce_scatter(in, out, count, dtype, op);
    return nullptr;
  }

  Pending all_gather(const void* in, void* out, int64_t count, int32_t dtype) override {
    group_.all_gather(in, out, count, dtype);
    return nullptr;
  }

  Pending broadcast(void* data, int64_t count, int32_t dtype, int32_t root) override {
    group_.broadcast(data, count, dtype, root);
    return nullptr;
  }

  Pending all_to_all(const void* in, void* out, int64_t count, int32_t dtype) override {
    group_.all_to_all(in, out, count, dtype);
    return nullptr;
  }

  void barrier() override { group_.barrier(); }

  void abort(std::string_view reason) noexcept override { group_.abort(reason); }

 private:
  RankedGroup group_;
};

}  // namespace strata::kit
