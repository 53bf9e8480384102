// Evictions and static placement.
#include "placement.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace strata::colossalai {

std::vector<int32_t> choose_evictions(std::vector<Held> held, int64_t allowed) {
  std::ranges::sort(held, [](const Held& a, const Held& b) {
    return std::tuple(b.next_use, a.last_use, a.chunk) <
           std::tuple(a.next_use, b.last_use, b.chunk);
  });
  int64_t kept =
      std::accumulate(held.begin(), held.end(), int64_t{0}, [](int64_t sum, const Held& h) {
        return sum + h.bytes;
      });
  std::vector<int32_t> out;
  for (const Held& h : held) {
    if (kept <= allowed) {
      break;
    }
    if (h.bytes > 0) {
      kept -= h.bytes;
      out.push_back(h.chunk);
    }
  }
  return out;
}

std::vector<Pool> place_fraction(std::span<const int64_t> bytes, double fraction) {
  const double target = fraction * std::accumulate(bytes.begin(), bytes.end(), 0.0);
  std::vector<Pool> out(bytes.size(), Pool::kDevice);
  double sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto more = static_cast<double>(bytes[i]);
    if (sum + more / 2 > target) {
      break;  // leaving it out comes nearer
    }
    sum += more;
    out[i] = Pool::kHost;
  }
  return out;
}

}  // namespace strata::colossalai
