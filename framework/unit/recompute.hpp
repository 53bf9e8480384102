// Which units run their forward again in backward: activation checkpointing's choice.
#pragma once

#include <cstdint>
#include <vector>

#include "unit/model.hpp"

namespace strata::unit {

/// The repeated blocks of a model, in order of execution; none lies inside another. A block is a unit that contains other
/// units and stands, as far out as possible, in a list: a unit of type ModuleList or Sequential, or one without parameters
/// of its own whose units are all of one type. A model without lists has as blocks the root's units that contain others.
std::vector<int32_t> repeated_blocks(const std::vector<Unit>& units);

/// Blocks n, 2n, … of them, counted from 1; n = 1: all.
std::vector<int32_t> every_nth(const std::vector<int32_t>& blocks, int64_t n);

/// A unit that reads a parameter across the border of a block of `chosen`: it borrows from outside of its block, or from
/// inside of another. Its gradients come in two engine passes, of which one finds the owner's memory gone. -1: none.
int32_t borrower_across(const std::vector<Unit>& units, const std::vector<int32_t>& chosen);

}  // namespace strata::unit
