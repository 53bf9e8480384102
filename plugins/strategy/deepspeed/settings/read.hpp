// From tables and files to a DeepSpeedConfig.
#pragma once

#include "config.hpp"
#include "value.hpp"

namespace strata::deepspeed {

/// What a configuration says. The tree is what stands in it after the file and the keys beside
/// `config` were joined: optimizer and scheduler are read from there.
struct STRATA_HIDDEN Loaded {
  Value tree;
  DeepSpeedConfig config;
};

/// table: [strategy]. Reads the file that `config` names; keys beside it replace the file's.
/// Errors: STRATA_E_CONFIG at the key's place: unknown, of a wrong kind, out of range, refused with
/// the reason, or at odds with another.
Loaded load(const Node& table);

/// The same without `config`. from_file: unknown keys of the top level are warned of only, as
/// DeepSpeed's users have all sorts of keys in their files.
Loaded load(Value tree, bool from_file);

/// Refuses combinations of keys that cannot work together.
void check_together(const DeepSpeedConfig& config, const Value& tree);

}  // namespace strata::deepspeed
