// What a run says about itself at its start: environment, configuration, hooks. Users paste it into reports.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/session.hpp"

namespace strata::train {

using Facts = std::vector<std::pair<std::string, std::string>>;

/// This program, the machine and the libraries; also what `strata env` prints.
Facts system_facts();

/// Logs the system and runtime environment, the resolved configuration and the hook table, in MMEngine's layout.
void log_start(Session& session, const std::string& hook_table);

/// Writes the resolved configuration into the work_dir, from where it runs again, and into vis_data. Rank 0.
/// Errors: STRATA_E_IO.
void dump_config(const Session& session);

}  // namespace strata::train
