// Loads plugins: opens the library, verifies its table against its note, initialises it once.
#pragma once

#include <string_view>
#include <vector>

#include "strata/abi/host.h"

#include "plugin/search.hpp"

namespace strata::plugin {

/// A plugin in this process. Lives as long as the process.
struct Loaded {
  Candidate candidate;
  const strata_plugin* table = nullptr;
  std::vector<strata_type_desc> types;  ///< views of the plugin's static data

  /// nullptr when it has no such type.
  [[nodiscard]] const strata_type_desc* type(std::string_view name) const;
};

/// Loads a candidate of scan(), or returns what was loaded before from the same file. [any]
///
/// host  passed to the plugin's init(); the same one for the whole process.
/// Errors: STRATA_E_CONFIG with the file and the reason (the dynamic loader's own words for a
/// missing
///         symbol); the same again for every later attempt.
const Loaded& load(const Candidate& candidate, const strata_host* host);

}  // namespace strata::plugin
