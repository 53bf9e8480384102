// Edit distance between names, and the words built on it.
#include "config/nearest.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

namespace strata::config {
namespace {

constexpr std::size_t kMinPrefix = 4;   // letters; shorter beginnings fit too much
constexpr std::size_t kMaxListed = 20;  // known names in one message

std::string folded(std::string_view name) {
  std::string out(name);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::tolower(c));
  });
  return out;
}

/// Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    above[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view name,
                                   std::span<const std::string_view> candidates) {
  const std::string wanted = folded(name);
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string_view candidate : candidates) {
    const std::string known = folded(candidate);
    const std::size_t longer = std::max(wanted.size(), known.size());
    const std::size_t shorter = std::min(wanted.size(), known.size());
    const std::size_t cutoff = std::max<std::size_t>(1, longer / 3);
    std::size_t distance = edit_distance(wanted, known);
    if (shorter >= kMinPrefix && wanted.compare(0, shorter, known, 0, shorter) == 0) {
      distance = std::min(distance, cutoff);
    }
    const bool close = distance <= cutoff && distance < longer;
    if (close && (!best || distance < best_distance)) {
      best = std::string(candidate);
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates) {
  if (const auto best = nearest(name, candidates)) {
    return "; did you mean \"" + *best + "\"?";
  }
  std::string out;
  for (std::size_t i = 0; i < std::min(candidates.size(), kMaxListed); ++i) {
    out.append(i == 0 ? "; known: " : ", ").append(candidates[i]);
  }
  return candidates.size() > kMaxListed ? out + ", …" : out;
}

}  // namespace strata::config
