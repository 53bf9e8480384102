// Comparing of configurations leaf by leaf.
#include "config/diff.hpp"

#include <unordered_map>

#include "config/dump.hpp"
#include "config/leaves.hpp"

namespace strata::config {
namespace {

using ByPath = std::unordered_map<std::string, const Value*>;

ByPath by_path(const std::vector<Leaf>& list) {
  ByPath out;
  for (const Leaf& leaf : list) {
    out.emplace(leaf.path, leaf.value);
  }
  return out;
}

std::string line(const char* sign, const std::string& path, const Value& value) {
  return std::string(sign) + " " + path + " = " + format_inline(value);
}

}  // namespace

std::vector<std::string> diff(const Value& before, const Value& after) {
  const std::vector<Leaf> old_leaves = leaves(before);
  const std::vector<Leaf> new_leaves = leaves(after);
  const ByPath old_by_path = by_path(old_leaves);
  const ByPath new_by_path = by_path(new_leaves);
  std::vector<std::string> out;
  for (const Leaf& leaf : old_leaves) {
    const auto same = new_by_path.find(leaf.path);
    if (same != new_by_path.end() && *same->second == *leaf.value) {
      continue;
    }
    out.push_back(line("-", leaf.path, *leaf.value));
    if (same != new_by_path.end()) {
      out.push_back(line("+", leaf.path, *same->second));
    }
  }
  for (const Leaf& leaf : new_leaves) {
    if (!old_by_path.contains(leaf.path)) {
      out.push_back(line("+", leaf.path, *leaf.value));
    }
  }
  return out;
}

}  // namespace strata::config
