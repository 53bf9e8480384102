// A tree taken apart into its leaves.
#pragma once

#include <string>
#include <vector>

#include "config/value.hpp"

namespace strata::config {

struct Leaf {
  std::string path;
  const Value* value;  // borrowed from the tree
};

/// Scalars, lists without tables and empty tables, in the order of the tree, by dotted path from
/// `root`.
std::vector<Leaf> leaves(const Value& root);

}  // namespace strata::config
