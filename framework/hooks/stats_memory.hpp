// How much memory this process used at its peak.
#pragma once

#include <cstdint>
#include <filesystem>

namespace strata::hooks {

/// The resident set of this process between two readings.
///
/// Linux keeps the peak and lets it be reset (/proc/self/clear_refs); where that is forbidden, each
/// reading gives the larger of the last two samples of the resident set instead.
class PeakMemory {
 public:
  /// proc: folder of the process, for tests.
  explicit PeakMemory(std::filesystem::path proc = "/proc/self");

  /// Megabytes (2^20 bytes) at the peak since the last call, or since the object was made. 0 where
  /// unknown.
  [[nodiscard]] int64_t take_mb();

 private:
  [[nodiscard]] int64_t status_kb(const char* key) const;
  void reset();

  std::filesystem::path proc_;
  bool resets_ = true;
  int64_t last_sample_kb_ = 0;
};

}  // namespace strata::hooks
