// Finding a model's blocks in its tree of units.
#include "unit/recompute.hpp"

#include <algorithm>

namespace strata::unit {
namespace {

using Children = std::vector<std::vector<int32_t>>;

Children children_of(const std::vector<Unit>& units) {
  Children out(units.size());
  for (size_t i = 1; i < units.size(); ++i) {
    out[static_cast<size_t>(units[i].parent)].push_back(static_cast<int32_t>(i));
  }
  return out;
}

bool is_list(const std::vector<Unit>& units, const Children& children, size_t unit) {
  const Unit& u = units[unit];
  if (u.type == "ModuleList" || u.type == "Sequential") {
    return true;
  }
  const std::vector<int32_t>& inside = children[unit];
  return u.params.empty() && inside.size() > 1 && std::ranges::all_of(inside, [&](int32_t child) {
           return units[static_cast<size_t>(child)].type ==
                  units[static_cast<size_t>(inside[0])].type;
         });
}

void collect(const std::vector<Unit>& units,
             const Children& children,
             size_t unit,
             bool in_list,
             std::vector<int32_t>& blocks) {
  for (const int32_t child : children[unit]) {
    const auto id = static_cast<size_t>(child);
    if (in_list && !children[id].empty()) {
      blocks.push_back(child);
    } else {
      collect(units, children, id, is_list(units, children, id), blocks);
    }
  }
}

// The chosen block that a unit is in, or is; -1: none.
int32_t block_of(const std::vector<Unit>& units, const std::vector<int32_t>& chosen, int32_t unit) {
  while (unit >= 0 && std::ranges::find(chosen, unit) == chosen.end()) {
    unit = units[static_cast<size_t>(unit)].parent;
  }
  return unit;
}

int32_t owner_of_param(const std::vector<Unit>& units, int32_t param) {
  const auto owner = std::ranges::find_if(
      units, [&](const Unit& u) { return std::ranges::find(u.params, param) != u.params.end(); });
  return static_cast<int32_t>(owner - units.begin());
}

}  // namespace

std::vector<int32_t> repeated_blocks(const std::vector<Unit>& units) {
  const Children children = children_of(units);
  std::vector<int32_t> blocks;
  collect(units, children, 0, /*in_list=*/false, blocks);
  if (blocks.empty()) {
    std::ranges::copy_if(children[0], std::back_inserter(blocks), [&](int32_t child) {
      return !children[static_cast<size_t>(child)].empty();
    });
  }
  return blocks;
}

std::vector<int32_t> every_nth(const std::vector<int32_t>& blocks, int64_t n) {
  std::vector<int32_t> out;
  for (auto i = static_cast<size_t>(n); i <= blocks.size(); i += static_cast<size_t>(n)) {
    out.push_back(blocks[i - 1]);
  }
  return out;
}

int32_t borrower_across(const std::vector<Unit>& units, const std::vector<int32_t>& chosen) {
  for (size_t i = 0; i < units.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    for (const int32_t param : units[i].borrowed) {
      if (block_of(units, chosen, id) != block_of(units, chosen, owner_of_param(units, param))) {
        return id;
      }
    }
  }
  return -1;
}

}  // namespace strata::unit
