// How stored weights meet a model: new names by patterns, as MMEngine's revise_keys, and whether all must fit.
#pragma once

#include <regex>
#include <string>
#include <vector>

#include "config/value.hpp"

namespace strata::train {

/// One pair of pattern and replacement.
struct KeyRevision {
  std::regex pattern;
  std::string replacement;  // in ECMAScript's form
};

/// What MMEngine does when nothing is said: the prefix of a data-parallel wrapper is dropped.
std::vector<KeyRevision> default_revisions();

/// How stored weights meet a model.
struct WeightRules {
  std::vector<KeyRevision> revise_keys = default_revisions();
  bool strict = false;  // what does not fit is an error
  std::string where;    // in the configuration, for that error
};

/// Reads [[pattern, replacement], …]. Patterns are ECMAScript's, of which Python's common ones are part; replacements are
/// Python's: \1 or \g<1> is the first group.
/// Errors: STRATA_E_CONFIG with the place of a pattern or replacement that is none.
std::vector<KeyRevision> read_revisions(const config::Value& list);

/// The name after every revision in turn; each replaces all that its pattern finds, as re.sub.
/// Errors: STRATA_E_FAILED for a name too long for patterns.
std::string revised(const std::string& name, const std::vector<KeyRevision>& revisions);

}  // namespace strata::train
