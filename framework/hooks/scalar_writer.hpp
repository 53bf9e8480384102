// vis_data/scalars.json: one JSON object per line, as MMEngine writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "hooks/run_control.hpp"

namespace strata::hooks {

/// `{"lr": 0.001, …, "step": 10}` as Python writes it. Counters and bytes are integers.
std::string scalar_line(const Scalars& scalars, int64_t step);

/// Appends lines to <log_dir>/vis_data/scalars.json and <log_dir>/vis_data/<timestamp>.json, each
/// at once. For rank 0 only. [main]
class ScalarWriter {
 public:
  /// Touches no file before the first line.
  ScalarWriter(const std::filesystem::path& log_dir, const std::string& timestamp);

  /// Errors: STRATA_E_IO with the path.
  void write(const Scalars& scalars, int64_t step);

 private:
  struct File {
    std::filesystem::path path;
    std::ofstream out;
  };

  std::vector<File> files_;
};

}  // namespace strata::hooks
