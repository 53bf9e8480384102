// Measuring and dividing a device's memory.
#include "budget.hpp"

#include <algorithm>
#include <unistd.h>

namespace strata::colossalai {
namespace {

int64_t machine_bytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace

Budget::Budget(strata_runtime* runtime, const GeminiConfig& config, int32_t ranks_of_machine)
    : runtime_(runtime),
      capacity_(config.device_bytes > 0 ? config.device_bytes
                                        : machine_bytes() / std::max(ranks_of_machine, 1)),
      first_share_(1 - config.warmup_non_model_data_ratio),
      share_(config.steady_cuda_cap_ratio) {}

void Budget::begin() {
  interval_ = 0;
  model_bytes_ = -1;
  if (!measured_) {
    other_.clear();
  }
}

void Budget::close() {
  if (model_bytes_ < 0) {
    return;
  }
  if (!measured_) {
    strata_memory_stats stats{};
    stats.h = STRATA_HDR(strata_memory_stats);
    check(service<strata_memory_api>().stats(runtime_, &stats));
    other_.push_back(std::max<int64_t>(0, stats.peak_allocated - model_bytes_));
  }
  ++interval_;
  model_bytes_ = -1;
}

void Budget::open(int64_t model_bytes) {
  model_bytes_ = model_bytes;
  if (!measured_) {
    check(service<strata_memory_api>().reset_peak(runtime_));
  }
}

int64_t Budget::largest_other() const {
  return other_.empty() ? 0 : *std::ranges::max_element(other_);
}

int64_t Budget::for_model(bool expected) const {
  const auto bytes = static_cast<double>(capacity_);
  if (!measured_) {
    return static_cast<int64_t>(bytes * first_share_);
  }
  const int64_t other = expected && interval_ < other_.size() ? other_[interval_] : largest_other();
  return static_cast<int64_t>(bytes * share_) - other;
}

void Budget::learn() {
  close();
  if (measured_) {
    return;
  }
  Group::world(runtime_)
      .all_reduce(other_.data(), static_cast<int64_t>(other_.size()), STRATA_I64, STRATA_MAX)
      .wait();
  measured_ = true;
}

}  // namespace strata::colossalai
