// Files of a checkpoint for others, asked for by a hook.
#pragma once

#include <string>
#include <vector>

#include "train/session.hpp"

namespace strata::train {

/// checkpoint::publish() by rank 0; returns the file's path on every rank. out_dir: empty for the work_dir. Collective.
/// Errors: rank 0's, on every rank.
std::string publish_checkpoint(Session& session,
                               const std::string& out_dir,
                               const std::string& name,
                               const std::vector<std::string>& keys);

}  // namespace strata::train
