// Reads and resets VmHWM.
#include "hooks/stats_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <unistd.h>
#include <utility>

namespace strata::hooks {

PeakMemory::PeakMemory(std::filesystem::path proc) : proc_(std::move(proc)) {
  reset();
}

int64_t PeakMemory::status_kb(const char* key) const {
  std::ifstream in(proc_ / "status");
  const std::string wanted = std::string(key) + ":";
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(wanted)) {
      return std::strtoll(line.c_str() + wanted.size(), nullptr, 10);
    }
  }
  return 0;
}

void PeakMemory::reset() {
  last_sample_kb_ = status_kb("VmRSS");
  const int file = ::open((proc_ / "clear_refs").c_str(), O_WRONLY | O_CLOEXEC);
  resets_ = file >= 0 && ::write(file, "5", 1) == 1;
  if (file >= 0) {
    ::close(file);
  }
}

int64_t PeakMemory::take_mb() {
  const int64_t peak = resets_ ? status_kb("VmHWM") : std::max(last_sample_kb_, status_kb("VmRSS"));
  reset();
  return peak / 1024;
}

}  // namespace strata::hooks
