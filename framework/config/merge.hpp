// Inheritance: how a file's values go over those of its bases.
#pragma once

#include <string>

#include "config/value.hpp"

namespace strata::config {

/// Puts `child` over `base`, in place. Tables merge key by key; scalars and lists replace.
///
/// `_delete_ = true` in a table drops the base's table first; as the table's only key it removes
/// the base's key. `_delete_ = ["a", "b"]` drops these keys of the base's table, whatever they
/// hold. Errors: STRATA_E_CONFIG at the child's value for a table over a scalar or list, or the
/// reverse (the message says how `_delete_` allows it), and for a `_delete_` that has nothing to
/// delete. path: of the two tables in the whole tree, for messages.
void merge_into(Value& base, Value child, const std::string& path = {});

/// Adds the keys of one more base. Errors: a top-level key that both have, naming both places.
void join_bases(Value& bases, Value another);

}  // namespace strata::config
