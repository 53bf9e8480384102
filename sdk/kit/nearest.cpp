// Edit distance.
#include "strata/kit/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace strata::kit {
namespace {

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
  std::string_view best;
  size_t closest = name.size() / 3 + 1;  // further off is a guess
  for (const std::string_view candidate : known) {
    if (const size_t d = distance(name, candidate); d <= closest && (best.empty() || d < closest)) {
      best = candidate;
      closest = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) {
  const std::string_view close = nearest(name, known);
  return close.empty() ? std::string() : text("; did you mean \"", close, "\"?");
}

}  // namespace strata::kit
